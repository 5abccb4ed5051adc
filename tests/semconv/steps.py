"""Counts the steps that a backtracking matcher takes over a text, to show without a clock that a pattern is linear.

It interprets the interpreter's own parse of the pattern, greedy and in the order in which `re` tries. It knows none of
the short cuts of `re` and so counts at least as many steps.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

try:
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:
    import sre_parse as parser  # type: ignore[no-redef]

Then = Callable[[int], "int | None"]


class Matcher:
    """`tokens` cuts a text as `re.findall` would; `steps` is what that has taken."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.tree = parser.parse(pattern.pattern, pattern.flags)
        self.steps = 0
        self.text = ""

    def tokens(self, text: str) -> list[str]:
        self.text = text
        found = []
        start = 0
        while start < len(text):
            end = self.run(self.tree, 0, start, lambda at: at)
            assert end is not None and end > start
            found.append(text[start:end])
            start = end
        return found

    def run(self, items: Any, index: int, at: int, then: Then) -> int | None:
        if index == len(items):
            return then(at)
        self.steps += 1
        operator, value = items[index]
        name = str(operator)

        def rest(end: int) -> int | None:
            return self.run(items, index + 1, end, then)

        if name == "BRANCH":
            for branch in value[1]:
                end = self.run(branch, 0, at, rest)
                if end is not None:
                    return end
            return None
        if name == "SUBPATTERN":
            return self.run(value[3], 0, at, rest)
        if name == "MAX_REPEAT":
            low, high, body = value
            if len(body) == 1 and str(body[0][0]) in ("LITERAL", "NOT_LITERAL", "IN", "ANY"):
                return self.repeat_one(body[0], low, int(high), at, rest)
            return self.repeat(body, low, int(high), at, rest)
        if name in ("ASSERT", "ASSERT_NOT"):
            direction, body = value
            held = self.run(body, 0, at if direction > 0 else at - 1, lambda end: end) is not None
            return rest(at) if held == (name == "ASSERT") else None
        if name == "AT":
            assert str(value) == "AT_BOUNDARY"
            return rest(at) if self.boundary(at) else None
        return rest(at + 1) if self.one(items[index], at) else None

    def repeat_one(self, item: Any, low: int, high: int, at: int, rest: Then) -> int | None:
        count = 0
        while count < high and self.one(item, at + count):
            self.steps += 1
            count += 1
        while count >= low:
            end = rest(at + count)
            if end is not None:
                return end
            self.steps += 1
            count -= 1
        return None

    def repeat(self, body: Any, low: int, high: int, at: int, rest: Then) -> int | None:
        if high > 0:
            end = self.run(
                body, 0, at, lambda end: self.repeat(body, max(low - 1, 0), high - 1, end, rest) if end > at else None
            )
            if end is not None:
                return end
        return rest(at) if low == 0 else None

    def boundary(self, at: int) -> bool:
        before = at > 0 and re.match(r"\w", self.text[at - 1]) is not None
        after = at < len(self.text) and re.match(r"\w", self.text[at]) is not None
        return before != after

    def one(self, item: Any, at: int) -> bool:
        if not 0 <= at < len(self.text):
            return False
        operator, value = item
        name, code = str(operator), ord(self.text[at])
        if name == "ANY":
            return True
        if name == "LITERAL":
            return bool(code == value)
        if name == "NOT_LITERAL":
            return bool(code != value)
        assert name == "IN"
        negated = str(value[0][0]) == "NEGATE"
        return any(self.member(part, code) for part in value[negated:]) != negated

    def member(self, part: Any, code: int) -> bool:
        operator, value = part
        name = str(operator)
        if name == "RANGE":
            return bool(value[0] <= code <= value[1])
        if name == "CATEGORY":
            assert str(value) == "CATEGORY_WORD"
            return re.match(r"\w", chr(code)) is not None
        assert name == "LITERAL"
        return bool(code == value)
