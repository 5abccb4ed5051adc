"""Cuts SQL text into tokens whose concatenation is that text, in one linear pass and without ever failing.

The lexical rules are PostgreSQL's ("SQL Syntax", section 4.1 of its manual), widened by what is harmless there: names
in back quotes and brackets, and the placeholders `%s`, `%(name)s`, `?`, `:name`, `@name`. They do not hold for MySQL,
where a backslash escapes in every string, double quotes may hold strings, and `#` opens a comment.

Strings and comments cannot fail to match once they began, as their end is optional: what never ends runs to the end of
the text, and a statement that was cut anywhere shows no part of a literal. A quoted name fails only where no closing
quote follows in the whole text, and a plain token's gap is of few characters. So the work is linear in the length for
any input.
"""

import re

# ASCII letters, "_" and all that is not ASCII; negated, as a set of a few hundred bits and not of the whole of Unicode.
_LETTER = r"[^\x00-@\[-^`{-\x7f]"
# The gap that a plain token (a name, a literal, a placeholder) begins with, if any: a comma and three of the others.
LEAD = ", =<>*\n"
_SPACE = r"[ \t\n\r\f\v]"
_WORD = _LETTER + r"[^\x00-#%-/:-@\[-^`{-\x7f]*"
_QUOTED = rf'"[^"]*(?:""[^"]*)*"|`[^`]*(?:``[^`]*)*`|\[{_LETTER}[\w $]*\]'
_QUALIFIED = rf"(?:\.(?:{_WORD}|{_QUOTED}|\*))*"
_NUMBER_REST = r"[\w.]*(?:(?<=[eE])[+-][0-9][\w.]*)?"
_STRING_REST = r"'[^']*(?:''[^']*)*'?"
# A literal goes on behind a newline, and comments, with its next part; there too a backslash escapes.
_CONTINUED = rf"'(?:[ \t\f\v]|--[^\n\r]*(?=[\n\r]))*[\n\r](?:{_SPACE}|--[^\n\r]*[\n\r])*'"
_ESCAPED_REST = rf"'[^'\\]*(?:(?:''|\\.|{_CONTINUED})[^'\\]*)*\\?'?"

# What may not come next where a word ends in a plain way: nothing that could belong to it.
_END = r"(?![^\x00-#%(-\-/:-@\[-^`{-\x7f])"
_PLAIN = "|".join(
    (
        _WORD + _END,
        r"[0-9]+(?![\w.])",
        rf"{_WORD}\.{_WORD}{_END}",
        "'[^']*'(?!')",
        r"%s\b",
        r"\$[0-9]{1,5}(?![\w.])",
        r"\?(?![0-9])",
        r'"[^"]*"(?:(?![".])|\."[^"]*"(?![".]))',
    )
)
_TOKEN = re.compile(
    "|".join(
        (
            # What most tokens are, with the gap before them: the fewer tokens and the less to try, the faster.
            r"[()]",
            rf",?[ =<>*\n]{{0,3}}(?:{_PLAIN})",
            r",? ?\(|;|[+-](?![-.0-9])|/(?!\*)",
            rf"{_SPACE}+(?:[=<>*|&^~!{{}}]+{_SPACE}*)?",
            rf"[eE]{_ESCAPED_REST}",
            rf"[bBxXnN]{_STRING_REST}",
            rf"[uU]&{_STRING_REST}",
            _WORD + _QUALIFIED,
            rf",{_SPACE}*",
            _STRING_REST,
            "[0-9]" + _NUMBER_REST,
            rf"(?:{_QUOTED}){_QUALIFIED}",
            rf"[=<>*|&^~!{{}}]+{_SPACE}*",
            rf"%(?:[sbt]\b|\({_LETTER}[\w.\-]*\)[a-z]?)",
            rf"(?:::?|@@?|##?|\$){_LETTER}\w*",
            r"\?(?:[0-9]{1,5}(?!\w))?",
            r"--[^\n\r]*",
            r"/\*[^*]*(?:\*(?!/)[^*]*)*(?:\*/)?",
            r"[+-]\.?[0-9]" + _NUMBER_REST,
            r"\.[0-9]" + _NUMBER_REST,
            # An opening quote without its closing one.
            r'"[^"]*|`[^`]*',
            ".",
        )
    ),
    re.DOTALL,
)
_DOLLAR_QUOTE = re.compile(rf"\$(?:{_LETTER}\w*)?\$")
_COMMENT_EDGE = re.compile(r"/\*|\*/")


def tokens(text: str) -> list[str]:
    """The tokens of `text` in order, whitespace and comments included; `"".join` of them is `text`."""
    if text.count("/*") < 2 and ("$" not in text or _DOLLAR_QUOTE.search(text) is None):
        return _TOKEN.findall(text)
    return _nested_tokens(text)


def _nested_tokens(text: str) -> list[str]:
    """The same where a regular expression is not enough: nested comments and dollar quotes."""
    found: list[str] = []
    match = _TOKEN.match
    start, size = 0, len(text)
    while start < size:
        token = match(text, start)
        end = token.end() if token is not None else start + 1
        if text.startswith("/*", start):
            end = _comment_end(text, start)
        elif text[start] == "$":
            end = _dollar_quote_end(text, start) or end
        found.append(text[start:end])
        start = end
    return found


def _comment_end(text: str, start: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, start):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(text)


def _dollar_quote_end(text: str, start: int) -> int | None:
    opening = _DOLLAR_QUOTE.match(text, start)
    if opening is None:
        return None
    tag = opening.group()
    closing = text.find(tag, opening.end())
    return len(text) if closing < 0 else closing + len(tag)
