"""The rules of ``OTEL_PYTHON_TRACES_RULES``: their grammar, and what each matches.

rules     = rule *( ";" rule )                   first match wins; line ends separate rules, too
rule      = action *( condition )                all conditions have to hold; none: it always matches
action    = "drop" / "keep" / ratio              a number from 0 to 1, or a percentage such as 10%
condition = "/" glob                             the same as path:/glob
          / METHOD *( "|" METHOD )               the same as method:…
          / "path:" globs / "route:" globs / "method:" globs / "host:" globs / "name:" globs
          / "kind:" kinds                        server, client, producer, consumer, internal
          / "header:" name [ "=" globs ]         a header of the request
          / "parent:" ( "none" / "sampled" / "unsampled" / "any" )
globs     = glob *( "|" glob )                   * any text, ? any character, [abc] one of them
"""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tracing_agent.trace.rule import Facts

    Condition = Callable[[Facts], bool]

DROP, KEEP = "drop", "keep"
KINDS = ("server", "client", "producer", "consumer", "internal")
PARENTS = ("none", "sampled", "unsampled", "any")
_METHODS = re.compile(r"[A-Z_]+(\|[A-Z_]+)*")
_SPECIAL = re.compile(r"[*?\[|]")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Malformed(ValueError):
    """A rule that cannot be read; the text says what of it."""


class Written:
    """One rule as it was written.

    ``action`` is `DROP`, `KEEP` or the ratio's text, ``ratio`` how many it samples, ``parent`` (one of `PARENTS`) below
    which callers.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.action, *conditions = text.split()
        self.ratio = _ratio(self.action)
        self.parent = "none"
        self.headers: list[str] = []
        self._conditions: list[Condition] = []
        for condition in conditions:
            self._add(condition)
        if self.parent != "none" and self.action not in (DROP, KEEP):
            raise Malformed(f"a ratio cannot be had with parent:{self.parent}: it would tear traces apart")

    def _add(self, text: str) -> None:
        if text.startswith(("/", "*")):
            text = f"path:{text}"
        elif _METHODS.fullmatch(text):
            text = f"method:{text}"
        key, _, value = text.partition(":")
        if key not in _CONDITIONS and key not in ("header", "parent"):
            names = ", ".join((*_CONDITIONS, "header", "parent"))
            raise Malformed(f"{text!r} is no /path, no METHOD, and begins with none of {names} and a colon")
        if not value:
            raise Malformed(f"{text!r} says nothing after the colon")
        if key == "parent":
            self.parent = _one_of(PARENTS, value)
        elif key == "header":
            self._conditions.append(self._header(value))
        else:
            self._conditions.append(_CONDITIONS[key](value))

    def _header(self, text: str) -> Condition:
        name, equals, value = text.partition("=")
        if not _HEADER.fullmatch(name):
            raise Malformed(f"{name!r} is no header's name")
        name = name.lower()
        self.headers.append(name)
        matches = _glob(value) if equals else None
        return lambda facts: name in facts.sent and (matches is None or matches(facts.sent[name]))

    def matches(self, facts: Facts) -> bool:
        """Whether all conditions hold."""
        for condition in self._conditions:  # noqa: SIM110  a generator would double what a rule costs
            if not condition(facts):
                return False
        return True


def written(text: str, reject: Callable[[int, str, str], None]) -> list[Written]:
    """Every rule that can be read; ``reject(number, rule, why)`` is told of the others, counted from 1."""
    found = []
    for number, rule in enumerate(filter(None, map(str.strip, re.split(r"[;\n]", text))), 1):
        try:
            found.append(Written(rule))
        except Malformed as error:
            reject(number, rule, str(error))
    return found


def _ratio(action: str) -> float:
    if action in (DROP, KEEP):
        return float(action == KEEP)
    try:
        ratio = float(action.removesuffix("%")) / (100 if action.endswith("%") else 1)
    except ValueError:
        ratio = -1.0
    if not 0.0 <= ratio <= 1.0:
        raise Malformed(f"{action!r} is neither drop nor keep, nor a ratio such as 0.1 or 10%")
    return ratio


def _one_of(names: tuple[str, ...], value: str) -> str:
    if value.lower() not in names:
        raise Malformed(f"{value!r} is not one of {', '.join(names)}")
    return value.lower()


def _glob(text: str) -> Callable[[str], Any]:
    stem = text[:-1]
    if not _SPECIAL.search(stem):
        # The usual ones, in a third of the time.
        if text.endswith("*"):
            return lambda value: value.startswith(stem)
        if not _SPECIAL.search(text):
            return text.__eq__
    return re.compile("|".join(translate(part) for part in text.split("|"))).match


def _path(text: str) -> Condition:
    matches = _glob(text)

    def holds(facts: Facts) -> bool:
        attributes = facts.attributes
        path = attributes.get("url.path")
        if path is None:
            path = _called(attributes)
        if path and matches(str(path)):
            return True
        return "http.route" in attributes and bool(matches(str(attributes["http.route"])))

    return holds


def _called(attributes: Mapping[str, Any]) -> str:
    """What follows the authority in the URL of a call to another service."""
    url = str(attributes.get("url.full", ""))
    return "/" + re.split(r"[?#]", url.partition("://")[2], maxsplit=1)[0].partition("/")[2] if url else ""


def _attribute(name: str) -> Callable[[str], Condition]:
    def of(text: str) -> Condition:
        matches = _glob(text)
        return lambda facts: bool(matches(str(facts.attributes.get(name, ""))))

    return of


def _name(text: str) -> Condition:
    matches = _glob(text)
    return lambda facts: bool(matches(facts.name))


def _kind(text: str) -> Condition:
    kinds = frozenset(_one_of(KINDS, kind) for kind in text.split("|"))
    return lambda facts: (facts.kind.name.lower() if facts.kind is not None else "internal") in kinds


_CONDITIONS: dict[str, Callable[[str], Condition]] = {
    "path": _path,
    "route": _path,
    "method": _attribute("http.request.method"),
    "host": _attribute("server.address"),
    "name": _name,
    "kind": _kind,
}
