"""Reads typed values from an environment by the specification's rules, and remembers what was read and rejected.

Rules (OpenTelemetry specification, "Environment Variable Specification"): empty is unset; enums and booleans are
case-insensitive; a value that cannot be used is reported by name and value, and the default is used instead.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

_INT_MAX: Final = 2**31 - 1
_SECRET = ("HEADERS",)


class Variable:
    """One environment variable as it was read: for the documentation's table and for the doctor.

    ``value`` is what was given, None for nothing; ``used`` is what the agent makes of it, typed.
    """

    __slots__ = ("default", "kind", "meaning", "name", "used", "value")

    def __init__(self, name: str, kind: str, default: str, meaning: str, value: str | None) -> None:
        self.name = name
        self.kind = kind
        self.default = default
        self.meaning = meaning
        self.value = value
        self.used: Any = None


class Reader:
    """Reads typed values; a variable that several settings fall back to is remembered, and reported, once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.variables: list[Variable] = []
        self.rejected: list[str] = []
        self._declared: dict[str, Variable] = {}

    def _variable(self, name: str, kind: str, default: object, meaning: str) -> Variable:
        found = self._declared.get(name)
        if found is None:
            value = self.environ.get(name, "").strip() or None
            found = Variable(name, kind, "" if default is None else str(default), meaning, value)
            self._declared[name] = found
            self.variables.append(found)
        return found

    def declared(self, name: str) -> bool:
        """Whether the variable is one of the agent's."""
        return name in self._declared

    def reject(self, name: str, value: str, wanted: str, used: object) -> None:
        """Remember that ``value`` cannot be used; printed once by whoever starts the agent."""
        shown = "(not shown)" if name.endswith(_SECRET) else repr(value)
        sentence = f"{name}={shown} is not {wanted}; using {repr(used) if used != '' else 'none'} instead"
        if sentence not in self.rejected:
            self.rejected.append(sentence)

    def text(self, name: str, default: str, meaning: str) -> str:
        """A string, taken as it is."""
        variable = self._variable(name, "string", default, meaning)
        variable.used = found = variable.value or default
        return found

    def boolean(self, name: str, default: bool, meaning: str) -> bool:
        """True only for ``true`` in any case; anything else but ``false`` is reported and is false."""
        variable = self._variable(name, "boolean", str(default).lower(), meaning)
        found, value = default, variable.value
        if value is not None:
            found = value.lower() == "true"
            if not found and value.lower() != "false":
                self.reject(name, value, "a boolean (true, false)", "false")
        variable.used = found
        return found

    def integer(self, name: str, default: int, meaning: str, minimum: int = 0, kind: str = "integer") -> int:
        """An integer from ``minimum`` to 2**31 - 1."""
        variable = self._variable(name, kind, default, meaning)
        found, value = default, variable.value
        if value is not None:
            try:
                found = int(value)
            except ValueError:
                found = -1
            if not minimum <= found <= _INT_MAX:
                self.reject(name, value, f"an integer of at least {minimum}", default)
                found = default
        variable.used = found
        return found

    def milliseconds(self, name: str, default: int, meaning: str) -> int:
        """A duration or time-out in milliseconds."""
        return self.integer(name, default, meaning, kind="milliseconds")

    def limit(self, name: str, default: int | None, meaning: str) -> int | None:
        """A limit: a non-negative integer, or None where there is none."""
        variable = self._variable(name, "limit", "none" if default is None else default, meaning)
        found, value = default, variable.value
        if value is not None:
            if value.isascii() and value.isdigit() and int(value[:12]) <= _INT_MAX:
                found = int(value)
            else:
                self.reject(name, value, "a non-negative integer", "no limit" if default is None else default)
        variable.used = found
        return found

    def choice(self, name: str, default: str, choices: tuple[str, ...], meaning: str) -> str:
        """One of ``choices``, in any case."""
        wanted = "one of " + ", ".join(choices)
        variable = self._variable(name, wanted, default, meaning)
        found, value = default, variable.value
        if value is not None:
            if value.lower() in choices:
                found = value.lower()
            else:
                self.reject(name, value, wanted, default)
        variable.used = found
        return found

    def names(self, name: str, default: str, meaning: str) -> tuple[str, ...]:
        """A comma-separated list; blanks and repetitions dropped, order kept, lower case."""
        variable = self._variable(name, "list", default, meaning)
        parts = (part.strip().lower() for part in (variable.value or default).split(","))
        variable.used = found = tuple(dict.fromkeys(part for part in parts if part))
        return found

    def known(self, name: str, default: str, choices: Mapping[str, str], meaning: str) -> tuple[str, ...]:
        """A comma-separated list of keys of ``choices``, as their values; the others are reported and dropped.

        Where none is known the default is used.
        """
        wanted = "one of " + ", ".join(choices)
        given = self.names(name, default, meaning)
        found = tuple(dict.fromkeys(choices[part] for part in given if part in choices))
        found = found or tuple(choices[part] for part in default.split(",") if part)
        for part in given:
            if part not in choices:
                self.reject(name, part, wanted, ",".join(found))
        self._declared[name].kind = "list of " + ", ".join(choices)
        self._declared[name].used = found
        return found

    def pairs(self, name: str, default: str, meaning: str, strict: bool = False) -> dict[str, str]:
        """``key=value,key=value`` with percent-encoding; on any error the whole value is discarded.

        ``strict`` counts what is no percent-encoding of UTF-8 as an error, else it is taken as it stands.

        Source: specification, "Resource SDK", section "Specifying resource information via an environment variable".
        """
        variable = self._variable(name, "pairs", default, meaning)
        found: dict[str, str] = {}
        for item in (variable.value or default).split(","):
            if not item.strip():
                continue
            key, equals, content = item.partition("=")
            try:
                key, content = _unquote(key.strip(), strict), _unquote(content.strip(), strict)
            except ValueError:
                equals = ""
            if not (equals and key):
                self.reject(name, variable.value or default, "a list of key=value pairs, percent-encoded", "")
                found = {}
                break
            found[key] = content
        variable.used = found
        return found


def _unquote(text: str, strict: bool) -> str:
    if "%" not in text:
        return text
    head, *rest = text.encode("utf-8", "surrogateescape").split(b"%")
    parts = [head]
    for chunk in rest:
        try:
            parts.append(bytes((int(chunk[:2], 16),)) + chunk[2:])
        except ValueError:
            if strict:
                raise
            parts.append(b"%" + chunk)
    return b"".join(parts).decode("utf-8", "strict" if strict else "replace")
