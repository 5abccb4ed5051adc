"""Writes a Redis command as `db.query.text` and `db.operation.name`, with its values masked.

Source: semantic conventions 1.44, "Redis client operations": the command-line syntax, `HMSET myhash field1 ? field2 ?`.

The command, its subcommand, keys, hash fields, option words and numbers of keys are shown, everything else is `?`; of
a command that is not known, the first argument is shown. Passwords, scripts, messages, members, scores and time-outs
are never shown. A name with spaces or quotes is quoted, bytes that are no UTF-8 are escaped, long names and texts are
cut and end in `…`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracing_agent.semconv.redis_shapes import CONTAINERS, MASKED, OPTIONS, OTHER, SHAPES, WIDTH, word_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracing_agent.semconv.redis_shapes import Shape

TEXT_LIMIT = 1_000
NAME_LIMIT = 256

# What is behind the key of commands that have one, by the number of arguments that are masked.
_TAILS = tuple(" ?" * masked for masked in range(8))


def _one_key(shape: Shape) -> int:
    """The most arguments, up to the tails', with which a key is shown and all behind it is masked; 0 if none."""
    if type(shape) is not str or shape[0] != "k":
        return 0
    return min(len(shape) - len(shape[1:].lstrip("-")), len(_TAILS))


_ONE_KEY = {name: most for name, shape in SHAPES.items() if (most := _one_key(shape))}
#: By the number of arguments, the command counted, and by name: the name, and what is shown behind the key, of commands
#: that show one key only. Most are of this kind; `in_full` gives their text.
SHORT: tuple[dict[Any, tuple[str, str]], ...] = tuple(
    {name: (name, _TAILS[count - 2]) for name, most in _ONE_KEY.items() if 2 <= count <= most + 1}
    for count in range(len(_TAILS) + 2)
)


def short(args: Sequence[Any]) -> tuple[str, str, str] | None:
    """(name, key, what is shown behind it) of a command with one key that is text; None for any other."""
    try:
        name, behind = SHORT[len(args)][args[0]]
        key = args[1]
    except (LookupError, TypeError):
        return None
    if type(key) is not str:
        return None
    return name, key if len(key) <= NAME_LIMIT else key[: NAME_LIMIT + 1], behind


def in_full(name: str, key: str, behind: str) -> str:
    """The text of a command that `short` gave: as `redis_text` writes it."""
    plain = 0 < len(key) <= NAME_LIMIT and key.isprintable() and " " not in key and '"' not in key
    return f"{name} {key if plain else _shown(key)}{behind}"


def redis_text(args: Sequence[Any]) -> str:
    """The command whose name and arguments are `args`, as redis-py takes them; at most `TEXT_LIMIT` characters.

    A name of several words ("CONFIG SET") may be one argument or several. Never raises; an argument that is neither
    string, bytes nor number is not touched.
    """
    if not args:
        return ""
    name = args[0]
    shape = SHAPES.get(name) if type(name) is str else None
    if shape is None:
        name, shape, args = _resolved(args)
    codes = shape if type(shape) is str else shape(args)  # type: ignore[operator]
    pieces = [name]
    masked = 0
    for code, arg in zip(codes, args[1 : WIDTH + 1], strict=False):
        if code == "k":
            pieces.append(_shown(arg))
        elif code == "-" or masked:
            masked -= code == "o"
            pieces.append("?")
        else:
            word = word_of(arg)
            masked = OPTIONS.get(word, WIDTH)
            pieces.append(word if word in OPTIONS else "?")
    if len(args) > WIDTH + 1:
        pieces.append("…")
    text = " ".join(pieces)
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"


def operation_name(args: Sequence[Any]) -> str:
    """The name of the command, with its subcommand where it has one, as given; empty for no command."""
    if not args:
        return ""
    name = args[0]
    if type(name) is str and name in SHAPES:
        return name
    return _resolved(args)[0]


def _resolved(args: Sequence[Any]) -> tuple[str, Shape, Sequence[Any]]:
    """Name, shape and arguments of a command that the table does not hold as it is written."""
    first = _text(args[0], TEXT_LIMIT) or ""
    words = first.split()
    if not words:
        return "?", MASKED, args
    # redis-py sends what the first argument holds, split at its spaces, as arguments of their own.
    args = (*words, *args[1 : WIDTH + 2])
    name = words[0][:WIDTH]
    shape = SHAPES.get(name.upper(), OTHER)
    if name.upper() in CONTAINERS:
        shape = MASKED
        subcommand = word_of(args[1]) if len(args) > 1 else ""
        if subcommand.replace("-", "").isalpha():
            shape = SHAPES.get(f"{name.upper()} {subcommand}", MASKED)
            name = f"{name} {_text(args[1], WIDTH)}"
            args = args[1:]
    if len(first) == TEXT_LIMIT:
        # Some of its arguments were not read, so those behind it are not where the shape expects them.
        shape = MASKED
    return name, shape, args


def _shown(arg: Any) -> str:
    text = arg if type(arg) is str else _text(arg, NAME_LIMIT + 1)
    if text is None:
        return "?"
    if len(text) > NAME_LIMIT:
        text = text[:NAME_LIMIT] + "…"
    if text.isprintable():
        if text and " " not in text and '"' not in text:
            return text
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return '"' + text.encode("unicode_escape").decode("ascii").replace('"', '\\"') + '"'


def _text(arg: Any, limit: int) -> str | None:
    """What redis-py would send for `arg`, at most `limit` characters of it; None for what it would refuse."""
    kind = type(arg)
    try:
        if issubclass(kind, str):
            return str.__str__(arg)[:limit]
        if issubclass(kind, memoryview):
            arg, kind = arg[:limit].tobytes(), bytes
        if issubclass(kind, (bytes, bytearray)):
            text: str = arg[:limit].decode("utf-8", "backslashreplace")
            return text[:limit]
        if issubclass(kind, float):
            return float.__repr__(arg)
        if issubclass(kind, int) and kind is not bool:
            return int.__repr__(arg)[:limit]
    except (TypeError, ValueError, NotImplementedError):
        # A memoryview of another shape or already released, an integer too long to print.
        pass
    return None
