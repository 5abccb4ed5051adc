"""Reads the tokens of SQL text once: masks literals, drops comments and notes operations with what they work on."""

from __future__ import annotations

from tracing_agent.semconv import sql_words as words
from tracing_agent.semconv.sql_clauses import (
    ACTIONS,
    AFTER,
    COMMAND,
    IDLE,
    IGNORED,
    INSIDE,
    INTO,
    MORE,
    NAMED,
    OBJECT,
    PHRASE,
    SEEK,
    START,
    TABLE,
    TABLES,
    WITH,
    WITHS,
)
from tracing_agent.semconv.sql_kinds import (
    CLOSE,
    COMMA,
    DIGIT,
    GAP,
    KNOWN,
    KNOWN_LENGTH,
    KNOWN_MOST,
    LEADS,
    LITERALS,
    MASKED,
    MIXED,
    OPEN,
    PREFIX,
    WORD,
)
from tracing_agent.semconv.sql_tokens import LEAD

# The last characters of whitespace, operators and commas.
_ENDS = " \t\n\r\f\v=<>*|&^~!{},"


class Reader:
    """One text being read; `tokens` is changed in place, `parts` is the summary's words."""

    __slots__ = ("clause", "distinct_at", "in_at", "opened", "outer", "parts", "routine", "tokens", "verb", "withs")

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.parts: list[str] = []
        self.outer: list[tuple[int, str, int]] = []
        self.withs: set[str] = set()
        self.clause = START
        self.verb = ""
        self.routine = False
        self.in_at = self.distinct_at = self.opened = -9

    def read(self) -> None:
        tokens, outer, masked, literals = self.tokens, self.outer, MASKED, LITERALS
        gap, word, digit, comma, opening, closing = GAP, WORD, DIGIT, COMMA, OPEN, CLOSE
        for at, kind in enumerate(map(KNOWN.get, tokens)):
            if kind is gap:
                continue
            if kind is closing:
                if outer:
                    self.clause, self.verb, begin = outer.pop()
                    # What holds parentheses of its own is no list of literals.
                    if begin >= 0 and begin == self.opened:
                        self.collapse(begin, at)
                continue
            token = tokens[at]
            # Where no clause expects anything, as almost everywhere, neither words nor commas matter.
            if self.clause:
                if token[0] == ",":
                    self.comma()
                if kind is word:
                    if self.clause > MORE:
                        self.name(token.lstrip(LEAD))
                    continue
            elif kind is word or kind is comma:
                continue
            elif kind is digit:
                tokens[at] = masked[token]
                continue
            if kind is opening:
                self.open(at)
            elif kind is None or kind is digit:
                # Without the gap before it, which stays.
                bare = token.lstrip(LEAD)
                if bare and bare[0] in literals:
                    if self.clause > MORE:
                        self.literal(bare)
                    tokens[at] = token[: -len(bare)] + "?"
                else:
                    self.unknown(bare, at)
            elif kind is not comma:
                kind(self, token.lstrip(LEAD), at)

    def unknown(self, token: str, at: int) -> None:
        """A token that its first character does not tell for a literal, or nothing but a gap."""
        kind = LEADS.get(token[0], WORD) if token else GAP
        if kind is WORD or (kind is PREFIX and "'" not in token[:3]):
            action = ACTIONS.get(token.upper())
            if action is not None:
                action(self, token, at)
                return
            if self.clause > MORE:
                self.name(token)
            self.learn(at, WORD)
        elif kind is MIXED:
            self.mixed(token, at)
        elif kind is GAP:
            self.learn(at, GAP)
        else:
            if self.clause > MORE:
                self.literal(token)
            self.tokens[at] = "?"

    def learn(self, at: int, kind: int) -> None:
        """From now on the token at `at` is known, for a name or for a gap (for a comma where it begins with one)."""
        token = self.tokens[at]
        if len(token) <= KNOWN_LENGTH and len(KNOWN) < KNOWN_MOST:
            KNOWN[token] = COMMA if kind is GAP and token[0] == "," else kind

    def open(self, at: int) -> None:
        """What is expected inside these parentheses, and behind them."""
        clause, verb = self.clause, self.verb
        opening = at if at - self.in_at <= 2 and self.lists(at) else -1
        self.opened = at
        if clause:
            after = IGNORED if clause == COMMAND and verb == "COPY" else AFTER.get(clause, clause)
            self.outer.append((after, verb, opening))
            self.clause = INSIDE.get(clause, IDLE)
            if clause == TABLE:
                return
        else:
            self.outer.append((clause, verb, opening))
        self.verb = ""

    def comma(self) -> None:
        clause = self.clause
        if clause == TABLES:
            self.clause = TABLE
        elif clause == WITHS:
            self.clause = WITH
        elif clause == MORE:
            self.clause = NAMED

    def literal(self, token: str) -> None:
        """A literal where a name counts."""
        if self.clause == TABLE and token[0] == "'" and token.count("'") % 2 == 0:
            # A table's name in single quotes, which SQLite among others takes.
            self.parts.append(token)
            self.clause = TABLES
        elif self.clause >= COMMAND:
            self.clause = IGNORED

    def mixed(self, token: str, at: int) -> None:
        """A token whose first character does not tell alone what it is."""
        lead = token[0]
        if token.startswith(("--", "/*")):
            self.comment(at)
        elif lead in '"`':
            if token.find(lead, 1) < 0:
                self.tokens[at] = "?"
                return
            if self.clause > MORE:
                self.name(token)
            self.learn(at, WORD)
        elif lead == "[":
            if len(token) > 1 and self.clause > MORE:
                self.name(token)
        elif lead == "$":
            if token.find("$", 1) > 0:
                self.tokens[at] = "?"
            else:
                self.learn(at, GAP)
        elif len(token) > 1:
            self.tokens[at] = "?"

    def comment(self, at: int) -> None:
        """Takes the comment away, and leaves a space where the words around it would become one."""
        tokens = self.tokens
        joins = 0 < at < len(tokens) - 1 and not tokens[at - 1][-1:].isspace() and not tokens[at + 1][:1].isspace()
        tokens[at] = " " if joins else ""

    def before(self, at: int) -> int:
        """Where the last token before the word at `at` stands that is neither whitespace nor comment."""
        if self.tokens[at].lstrip()[:1] in LEAD:
            return at
        while at > 0:
            at -= 1
            if self.tokens[at].strip():
                return at
        return -1

    def name(self, token: str) -> None:
        """A word that is no reserved one, or a quoted name, where either counts."""
        word = token.upper()
        clause = self.clause
        if clause in (TABLE, INTO):
            if word not in words.TABLE_FILLERS:
                if word not in self.withs:
                    self.parts.append(token)
                self.clause = AFTER[clause]
        elif clause == WITH:
            if word != "RECURSIVE":
                self.withs.add(word)
                self.clause = WITHS
        elif clause == OBJECT:
            self.object(token, word)
        elif clause == PHRASE:
            if word in words.PHRASES:
                self.parts.append(token)
            else:
                self.clause = SEEK if self.verb == "PREPARE" else IGNORED
        elif clause in (COMMAND, NAMED):
            self.target(token, word)
        else:
            self.statement(token, word)

    def statement(self, token: str, word: str) -> None:
        """The first word of a statement."""
        if word in words.DML:
            self.clause = TABLE if word == "UPDATE" else IDLE
        elif self.clause != START:
            return
        elif word in words.DEFINITIONS:
            self.clause = OBJECT
        elif word in words.TARGETED:
            self.clause = COMMAND
        elif word in words.PLAIN:
            self.clause = PHRASE
        elif word in words.PREFIXES:
            self.clause = SEEK
        else:
            self.clause = IGNORED
            return
        self.verb = word
        self.parts.append(token)

    def object(self, token: str, word: str) -> None:
        """What kind of object is defined; other words before that are its modifiers."""
        if word == "MATERIALIZED" or word in words.OBJECTS:
            self.parts.append(token)
            if self.verb == "CREATE" and word in ("TABLE", "MATERIALIZED"):
                # These run the query they are defined by, if any.
                self.verb = "CREATE TABLE"
            elif word in words.ROUTINES and self.verb != "DROP":
                self.verb = "ROUTINE"
            if word != "MATERIALIZED":
                self.clause = NAMED

    def target(self, token: str, word: str) -> None:
        """What a definition or command works on."""
        if self.clause == NAMED:
            if word in words.OBJECT_FILLERS:
                return
        elif word in words.QUALIFIERS:
            self.parts.append(token)
            self.clause = NAMED
            return
        elif word in words.COMMAND_FILLERS.get(self.verb, words.TABLE_FILLERS):
            return
        self.parts.append(token)
        if self.verb in words.LISTING:
            self.clause = MORE
        elif self.verb == "CREATE TABLE":
            self.clause, self.verb = IDLE, ""
        else:
            self.clause = IGNORED

    def lists(self, at: int) -> bool:
        """Whether the parenthesis at `at`, one or two tokens behind an IN, opens its list: one may be between."""
        if at - self.in_at < 2:
            return True
        between = self.tokens[at - 1]
        return self.tokens[at] == "(" and not (between[:1] in LEAD and between[-1:] not in _ENDS)

    def collapse(self, opening: int, closing: int) -> None:
        """`IN (?, ?, ?)` to `IN (?)`."""
        items = "".join(self.tokens[opening + 1 : closing])
        if "?" in items and not items.strip("?, \t\r\n\f\v"):
            self.tokens[opening + 1 : closing] = ["?"] + [""] * (closing - opening - 2)
