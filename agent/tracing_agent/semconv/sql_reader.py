"""Reads the tokens of SQL text once: masks literals, drops comments and notes operations with what they work on."""

from __future__ import annotations

from tracing_agent.semconv import sql_words as words
from tracing_agent.semconv.sql_clauses import (
    ACTIONS,
    AFTER,
    COMMAND,
    IDLE,
    IGNORED,
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

# What a token is by its first character; a word where not named.
_GAP, _LITERAL, _PREFIX, _MIXED = range(4)
_LEADS = (
    dict.fromkeys((chr(code) for code in range(128) if not chr(code).isalpha() and code != 0x5F), _GAP)
    | dict.fromkeys("'0123456789", _LITERAL)
    | dict.fromkeys("eEbBxXnNuU", _PREFIX)
    | dict.fromkeys('-+./$"`[,', _MIXED)
)


class Reader:
    """One text being read; `tokens` is changed in place, `parts` is the summary's words."""

    __slots__ = ("clause", "distinct_at", "in_at", "outer", "parts", "routine", "tokens", "verb", "withs")

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.parts: list[str] = []
        self.outer: list[tuple[int, str, int]] = []
        self.withs: set[str] = set()
        self.clause = START
        self.verb = ""
        self.routine = False
        self.in_at = self.distinct_at = -9

    def read(self) -> None:
        actions, leads, tokens = ACTIONS.get, _LEADS.get, self.tokens
        for at, token in enumerate(tokens):
            if token == " ":
                continue
            action = actions(token)
            if action is None:
                lead = leads(token[0])
                if lead == _PREFIX:
                    lead = _LITERAL if "'" in token[:3] else None
                if lead is None:
                    action = actions(token.upper())
                    if action is None:
                        if self.clause > MORE:
                            self.name(token)
                        continue
                elif lead == _LITERAL:
                    tokens[at] = "?"
                    if self.clause > MORE:
                        self.literal(token)
                    continue
                elif lead == _GAP:
                    continue
                else:
                    self.mixed(token, at)
                    continue
            action(self, token, at)

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
        if lead == ",":
            ACTIONS[","](self, token, at)
        elif token.startswith(("--", "/*")):
            self.comment(at)
        elif lead in '"`':
            if token.find(lead, 1) < 0:
                self.tokens[at] = "?"
            elif self.clause > MORE:
                self.name(token)
        elif lead == "[":
            if len(token) > 1 and self.clause > MORE:
                self.name(token)
        elif lead == "$":
            if token.find("$", 1) > 0:
                self.tokens[at] = "?"
        elif len(token) > 1:
            self.tokens[at] = "?"

    def comment(self, at: int) -> None:
        """Takes the comment away, and leaves a space where the words around it would become one."""
        tokens = self.tokens
        joins = 0 < at < len(tokens) - 1 and not tokens[at - 1][-1:].isspace() and not tokens[at + 1][:1].isspace()
        tokens[at] = " " if joins else ""

    def before(self, at: int) -> int:
        """Where the last token before `at` stands that is neither whitespace nor comment."""
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

    def collapse(self, opening: int, closing: int) -> None:
        """`IN (?, ?, ?)` to `IN (?)`."""
        tokens = self.tokens
        literals = 0
        for at in range(opening + 1, closing):
            token = tokens[at]
            if token == "?":
                literals += 1
            elif token and token != ", " and token.strip(", \t\r\n\f\v"):
                return
        if literals:
            tokens[opening + 1 : closing] = ["?"] + [""] * (closing - opening - 2)
