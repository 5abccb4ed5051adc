"""What a token of SQL is: by its first character, or by the whole of it where it is short or was read before."""

from __future__ import annotations

from string import ascii_letters, digits
from typing import Any

from tracing_agent.semconv import sql_words as words
from tracing_agent.semconv.sql_clauses import ACTIONS

# A gap never matters; a comma and a word do where a clause expects something; a digit is a literal of one digit.
GAP, COMMA, WORD, DIGIT, OPEN, CLOSE = range(6)
# Known by its first character alone: what may be a word or a literal, and what has more than one meaning.
PREFIX, MIXED = range(6, 8)

LITERALS = "'0123456789"
#: By the first character of a token, of which the gap before it is left out; a word where not named.
LEADS = (
    dict.fromkeys((chr(code) for code in range(128) if not chr(code).isalpha() and code != 0x5F), GAP)
    | dict.fromkeys("eEbBxXnNuU", PREFIX)
    | dict.fromkeys('-+./$"`[', MIXED)
)

_BEFORE = ("", " ", "=", " = ", ",", ", ")
_PLACEHOLDERS = ("%s", "?", *(f"${number}" for number in range(10)))
#: What becomes of literals of one digit.
MASKED = {before + digit: before + "?" for before in _BEFORE for digit in digits}

#: By the token, the gap before it included: a kind, or the action of `ACTIONS`. Gaps and names are added when read.
KNOWN: dict[str, Any] = {
    **dict.fromkeys((" ", "=", " = ", " > ", " < ", " * ", "*", ".", "+", "-", "/", ":", "[", "]"), GAP),
    **{before + letter: WORD for before in _BEFORE for letter in ascii_letters},
    **dict.fromkeys(MASKED, DIGIT),
    **{before + mark: COMMA if "," in before else GAP for before in _BEFORE for mark in _PLACEHOLDERS},
    **dict.fromkeys((",", ", "), COMMA),
    **dict.fromkeys(("(", " (", ",(", ", ("), OPEN),
    ")": CLOSE,
    **{before + word: WORD for name in words.COMMON for word in (name, name.lower()) for before in ("", " ")},
    **{before + word: action for word, action in ACTIONS.items() for before in ("", " ")},
}
#: The most tokens that are known, and the most characters of one: what is beyond is told by its first character.
KNOWN_MOST = 2048
KNOWN_LENGTH = 40
