"""The settings of database spans, apart from what uses them: an agent that traces no database has them too."""

from __future__ import annotations


class DatabaseSettings:
    """What the program's owner decided about database spans. Attributes are not to be assigned after construction.

    ``sanitise`` text without parameters; ``returned_rows`` asks for their number where the driver knows it for
    nothing; ``comments`` appends trace context to SQL text.
    """

    __slots__ = ("comments", "returned_rows", "sanitise")

    def __init__(self, sanitise: bool = True, returned_rows: bool = False, comments: bool = False) -> None:
        self.sanitise = sanitise
        self.returned_rows = returned_rows
        self.comments = comments
