"""What the OTLP encoder remembers: attributes, names and heads as bytes, encoded once and looked up from then on.

Every table is a dictionary that encodes what it does not hold when it is asked for it, so that what is known costs a
look-up and no function call. All tables together are bounded.
"""

from __future__ import annotations

from typing import Any

from tracing_agent.export.wire import any_value, field, utf8, varint

#: Values of one key that are remembered; a key with more is not worth remembering.
VALUES = 256
#: Encoded attributes, names and keys remembered in all; past it everything is forgotten and learned anew.
REMEMBERED = 4096
#: Longest text, in bytes, that is remembered.
LONG = 256
# What stands before a varint of one or two bytes in an ``AnyValue`` field of a pair: its length, and int_value 3.
_INT = (b"", b"\x02\x18", b"\x03\x18")


class Memory:
    """The tables of one encoder: ``texts[key][value]`` and ``ints[key][value]`` give attributes, ``names[name]`` names.

    ``words[origin]`` gives, by what their calls said, name and attributes of sketched spans;
    ``heads`` are what stands before the value of an attribute, by its key.
    """

    __slots__ = ("heads", "ints", "names", "remembered", "texts", "words")

    def __init__(self) -> None:
        self.texts = _Keys(self, _Texts)
        self.ints = _Keys(self, _Ints)
        self.names = _Names(self)
        self.words = _Words(self)
        self.heads: dict[str, bytes] = {}
        self.remembered = 0

    def remember(self) -> None:
        """One more entry is about to be held."""
        self.remembered += 1
        if self.remembered > REMEMBERED:
            self.remembered = 1
            for table in (self.texts, self.ints, self.names, self.words, self.heads):
                table.clear()

    def pair(self, key: str, value: bytes) -> bytes:
        """The field of an attribute whose ``AnyValue`` is encoded."""
        head = self.heads.get(key)
        if head is None:
            head = field(b"\x0a", utf8(key)) + b"\x12"
            if len(head) <= LONG:
                self.remember()
                self.heads[key] = head
        body = head + varint(len(value)) + value
        return b"\x4a" + varint(len(body)) + body  # attributes 9


class _Words(dict[Any, dict[Any, bytes]]):
    """By origin, what calls said. Counted as well: a server whose address changes gives a new origin each time."""

    __slots__ = ("_memory",)

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def __missing__(self, origin: Any) -> dict[Any, bytes]:
        self._memory.remember()
        table = self[origin] = {}
        return table


class _Names(dict[str, bytes]):
    """Span names, as fields."""

    __slots__ = ("_memory",)

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def __missing__(self, name: str) -> bytes:
        encoded = field(b"\x2a", utf8(name))  # name 5
        if len(encoded) <= LONG and len(self) < VALUES * 4:
            self._memory.remember()
            self[name] = encoded
        return encoded


class _Keys(dict[str, Any]):
    """By key, the table of its values."""

    __slots__ = ("_made", "_memory")

    def __init__(self, memory: Memory, made: Any) -> None:
        self._memory = memory
        self._made = made

    def __missing__(self, key: str) -> Any:
        table = self._made(self._memory, key)
        if len(key) <= LONG:
            self._memory.remember()
            self[key] = table
        return table


class _Texts(dict[str, bytes]):
    """The attributes of one key whose values are texts."""

    __slots__ = ("_heads", "_key", "_memory")

    def __init__(self, memory: Memory, key: str) -> None:
        self._memory = memory
        self._key = key
        # What stands before a text's bytes, by their number.
        self._heads: dict[int, bytes] = {}

    def __missing__(self, value: str) -> bytes:
        data = utf8(value)
        size = len(data)
        head = self._heads.get(size)
        if head is None:
            head = self._memory.pair(self._key, field(b"\x0a", data))
            head = head[: len(head) - size]
            if size <= LONG:
                self._memory.remember()
                self._heads[size] = head
        encoded = head + data
        # A key that has shown too many values keeps those it has and learns no more.
        if size <= LONG and len(self) < VALUES:
            self._memory.remember()
            self[value] = encoded
        return encoded


class _Ints(dict[int, bytes]):
    """The attributes of one key whose values are integers."""

    __slots__ = ("_key", "_memory")

    def __init__(self, memory: Memory, key: str) -> None:
        self._memory = memory
        self._key = key

    def __missing__(self, value: int) -> bytes:
        memory, key = self._memory, self._key
        head = memory.heads.get(key)
        if head is not None and 0 <= value < 1 << 14:
            data = varint(value)
            encoded = b"\x4a" + varint(len(head) + len(data) + 2) + head + _INT[len(data)] + data
        else:
            encoded = memory.pair(key, any_value(value))
        if -65536 < value < 65536 and len(self) < VALUES:
            memory.remember()
            self[value] = encoded
        return encoded
