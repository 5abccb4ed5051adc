"""Counts the steps that a backtracking matcher takes over a text, to show without a clock that a pattern is linear.

It runs the interpreter's own parse of the pattern, greedy and in the order in which `re` tries. It knows none of the
short cuts of `re` and so counts at least as many steps.
"""

from __future__ import annotations

import re
from typing import Any

try:
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:
    import sre_parse as parser  # type: ignore[no-redef]

Program = list[tuple[Any, ...]]


class Matcher:
    """`tokens` cuts a text as `re.findall` would; `steps` is what that has taken."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.program: Program = []
        _compile(self.program, parser.parse(pattern.pattern, pattern.flags))
        self.steps = 0
        self.text = ""

    def tokens(self, text: str) -> list[str]:
        self.text = text
        found = []
        start = 0
        while start < len(text):
            end = self.run(self.program, start)
            assert end is not None and end > start
            found.append(text[start:end])
            start = end
        return found

    def run(self, program: Program, start: int) -> int | None:
        """The end of the match that starts at `start`; what is left to try is on a stack, the latest first."""
        untried = [(0, start)]
        while untried:
            line, at = untried.pop()
            while line < len(program):
                self.steps += 1
                name, *values = program[line]
                line += 1
                if name == "try":
                    untried.append((values[0], at))
                elif name == "go":
                    line = values[0]
                elif name == "one" and _is(values[0], self.text[at : at + 1]):
                    at += 1
                elif not self.holds(at, name, *values):
                    break
            else:
                return at
        return None

    def holds(self, at: int, name: str, *values: Any) -> bool:
        if name == "look":
            program, direction, wanted = values
            start = at if direction > 0 else at - 1
            return (start >= 0 and self.run(program, start) is not None) == bool(wanted)
        if name == "boundary":
            before, after = self.text[max(at - 1, 0) : at], self.text[at : at + 1]
            return bool(re.match(r"\w", before)) != bool(re.match(r"\w", after))
        return False


def _compile(program: Program, items: Any) -> None:
    for operator, value in items:
        name = str(operator)
        if name == "BRANCH":
            _branch(program, value[1])
        elif name == "SUBPATTERN":
            _compile(program, value[3])
        elif name == "MAX_REPEAT":
            _repeat(program, *value)
        elif name in ("ASSERT", "ASSERT_NOT"):
            inner: Program = []
            _compile(inner, value[1])
            program.append(("look", inner, value[0], name == "ASSERT"))
        elif name == "AT":
            assert str(value) == "AT_BOUNDARY"
            program.append(("boundary",))
        else:
            program.append(("one", (name, value)))


def _branch(program: Program, branches: Any) -> None:
    ends = []
    for branch in branches:
        otherwise = len(program)
        program.append(())
        _compile(program, branch)
        ends.append(len(program))
        program.append(())
        program[otherwise] = ("try", len(program))
    program.append(("fail",))
    for end in ends:
        program[end] = ("go", len(program))


def _repeat(program: Program, low: int, high: Any, body: Any) -> None:
    for _ in range(low):
        _compile(program, body)
    endless = high == parser.MAXREPEAT
    starts = []
    for _ in range(1 if endless else int(high) - low):
        starts.append(len(program))
        program.append(())
        _compile(program, body)
        if endless:
            program.append(("go", starts[0]))
    for start in starts:
        program[start] = ("try", len(program))


def _is(item: tuple[str, Any], character: str) -> bool:
    name, value = item
    if not character:
        return False
    if name == "ANY":
        return True
    if name == "IN":
        negated = str(value[0][0]) == "NEGATE"
        return any(_is((str(part), inner), character) for part, inner in value[negated:]) != negated
    if name == "RANGE":
        return bool(value[0] <= ord(character) <= value[1])
    if name == "CATEGORY":
        assert str(value) == "CATEGORY_WORD"
        return re.match(r"\w", character) is not None
    assert name in ("LITERAL", "NOT_LITERAL")
    return (ord(character) == value) == (name == "LITERAL")
