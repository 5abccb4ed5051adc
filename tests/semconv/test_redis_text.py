"""Redis commands as text: keys, fields and options are shown, values never."""

from __future__ import annotations

import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semconv.properties import untimed
from tracing_agent.semconv.redis_shapes import CONTAINERS, SHAPES, WIDTH
from tracing_agent.semconv.redis_text import NAME_LIMIT, TEXT_LIMIT, in_full, operation_name, redis_text, short

COMMANDS = [
    (("GET", "k"), "GET k"),
    (("SET", "k", "v"), "SET k ?"),
    (("SET", "k", "v", "EX", 10, "NX"), "SET k ? EX ? NX"),
    (("SET", "k", "NX"), "SET k ?"),
    (("HMSET", "myhash", "field1", "Hello", "field2", "World"), "HMSET myhash field1 ? field2 ?"),
    (("HSET", "h", "f", "v", "odd"), "HSET h ? ? ?"),
    (("HGET", "h", "f"), "HGET h f"),
    (("MGET", "a", "b"), "MGET a b"),
    (("MSET", "a", "1", "b", "2"), "MSET a ? b ?"),
    (("MSET", "a", "1", "b"), "MSET ? ? ?"),
    (("DEL", "a", "b"), "DEL a b"),
    (("INCRBY", "k", 5), "INCRBY k ?"),
    (("LPUSH", "l", "a", "b"), "LPUSH l ? ?"),
    (("BLPOP", "a", "b", 5), "BLPOP a b ?"),
    (("BLMPOP", 1, 2, "a", "b", "LEFT", "COUNT", 3), "BLMPOP ? 2 a b LEFT COUNT ?"),
    (("ZADD", "z", "NX", 1.5, "m"), "ZADD z NX ? ?"),
    (("ZUNIONSTORE", "d", 2, "a", "b", "WEIGHTS", 1, 2), "ZUNIONSTORE d 2 a b WEIGHTS ? ?"),
    (("ZINTER", "3", "a", "b"), "ZINTER ? ? ?"),
    (("GEOADD", "g", 1.0, 2.0, "m"), "GEOADD g ? ? ?"),
    (("SORT", "l", "BY", "w_*", "LIMIT", 0, 10, "DESC"), "SORT l BY ? LIMIT ? ? DESC"),
    (("SCAN", 0, "MATCH", "a*", "COUNT", 10), "SCAN ? MATCH ? COUNT ?"),
    (("BITOP", "and", "d", "a", "b"), "BITOP AND d a b"),
    (("PUBLISH", "c", "m"), "PUBLISH c ?"),
    (("SUBSCRIBE", "c", "d"), "SUBSCRIBE c d"),
    (("JSON.MSET", "a", "$", "1", "b", "$", "2"), "JSON.MSET a ? ? b ? ?"),
    (("ZRANGE", "z", 0, -1, "REV", "LIMIT", 0, 5, "WITHSCORES"), "ZRANGE z ? ? REV LIMIT ? ? WITHSCORES"),
    (("GEORADIUS", "g", 1.5, 2.5, 10, "km", "WITHDIST", "ASC"), "GEORADIUS g ? ? ? ? WITHDIST ASC"),
    (("GEORADIUSBYMEMBER", "g", "m", 10, "km", "COUNT", 3), "GEORADIUSBYMEMBER g ? ? ? COUNT ?"),
    (("BLMOVE", "a", "b", "LEFT", "RIGHT", 5), "BLMOVE a b LEFT RIGHT ?"),
    (("SMOVE", "a", "b", "m"), "SMOVE a b ?"),
    (("JSON.SET", "k", "$.a", "1"), "JSON.SET k ? ?"),
    (("JSON.MGET", "a", "b", "$.a"), "JSON.MGET a b ?"),
    (("PING",), "PING"),
    (("PING", "hello"), "PING ?"),
    (("MODULE.CMD", "a", "b", "c"), "MODULE.CMD a ? ?"),
    (("LINSERT", "l", "BEFORE", "GET", "NX"), "LINSERT l BEFORE ? ?"),
    (("ZADD", "z", "NX", 1, "XX", 2, "GT"), "ZADD z NX ? ? ? ?"),
    (("SET", "k", "v", "IFEQ", "EX", "GET"), "SET k ? IFEQ ? GET"),
]
SCRIPTS = [
    (("EVAL", "return 1", 2, "k1", "k2", "a1"), "EVAL ? 2 k1 k2 ?"),
    (("EVAL", "return 1", b"1", "k1", "a1"), "EVAL ? 1 k1 ?"),
    (("EVAL", "return 1", 0, "a1"), "EVAL ? 0 ?"),
    (("EVAL", "return 1", 5, "a1"), "EVAL ? ? ?"),
    (("EVAL", "return 1", "x", "a1"), "EVAL ? ? ?"),
    (("EVALSHA", "c0ffee", 1, "k", "a"), "EVALSHA c0ffee 1 k ?"),
    (("FCALL", "f", 1, "k", "a"), "FCALL f 1 k ?"),
    (("SCRIPT LOAD", "return 1"), "SCRIPT LOAD ?"),
    (("FUNCTION", "LOAD", "REPLACE", "#!lua"), "FUNCTION LOAD REPLACE ?"),
]
STREAMS = [
    (("XADD", "s", "*", "f", "v", "g", "w"), "XADD s * f ? g ?"),
    (("XADD", "s", "NOMKSTREAM", "1-1", "f", "v"), "XADD s NOMKSTREAM ? f ?"),
    (("XADD", "s", "MAXLEN", "~", 9, "LIMIT", 5, "*", "f", "v"), "XADD s MAXLEN ~ ? LIMIT ? * f ?"),
    (("XADD", b"s", b"MINID", b"=", b"9-0", b"*", b"f", b"v"), "XADD s MINID = ? * f ?"),
    (("XADD", "s", "MAXLEN", 9, "*", "f", "v"), "XADD s MAXLEN ? * f ?"),
    (("XADD", "s", "*", "f", "v", "w"), "XADD s ? ? ? ?"),
    (("XADD", "s", "IDMPAUTO", "p", "*", "f", "v"), "XADD s ? p ? f ?"),
    (("XREAD", "BLOCK", 5, "STREAMS", "a", "b", "$", "0"), "XREAD BLOCK ? STREAMS a b ? ?"),
    (("XREADGROUP", "GROUP", "g", "c", "STREAMS", "a", ">"), "XREADGROUP GROUP ? ? STREAMS a ?"),
    (("XREAD", "a", "b"), "XREAD ? ?"),
    (("XACK", "s", "g", "1-1"), "XACK s g ?"),
    (("XGROUP CREATE", "s", "g", "$", "MKSTREAM"), "XGROUP CREATE s g ? MKSTREAM"),
]
SECRETS = [
    (("AUTH", "pw"), "AUTH ?"),
    (("AUTH", "user", "pw"), "AUTH ? ?"),
    (("HELLO", 3, "AUTH", "user", "keys", "SETNAME", "me"), "HELLO ? AUTH ? ? SETNAME ?"),
    (("MIGRATE", "h", 1, "k", 0, 9, "AUTH", "on"), "MIGRATE ? ? k ? ? AUTH ?"),
    (("MIGRATE", "h", 1, "", 0, 9, "AUTH2", "user", "pw", "KEYS", "a"), 'MIGRATE ? ? "" ? ? AUTH2 ? ? KEYS ?'),
    (("CONFIG SET", "requirepass", "pw"), "CONFIG SET requirepass ?"),
    (("CONFIG", "SET", "masterauth", "pw", "maxmemory", 5), "CONFIG SET masterauth ? maxmemory ?"),
    (("config set masteruser pw",), "config set masteruser ?"),
    (("ACL SETUSER", "joe", "on", ">pw", "~*"), "ACL SETUSER joe ? ? ?"),
    (("ACL", b"setuser", "joe", ">pw"), "ACL setuser joe ?"),
    (("CLIENT SETNAME", "me"), "CLIENT SETNAME ?"),
    (("CLIENT", "SETINFO", "LIB-NAME", "me"), "CLIENT SETINFO LIB-NAME ?"),
    (("SENTINEL SET", "m", "auth-pass", "pw"), "SENTINEL SET m auth-pass ?"),
    (("SENTINEL", "CONFIG", "SET", "sentinel-pass", "pw"), "SENTINEL CONFIG ? ? ?"),
    (("COMMAND GETKEYS", "SET", "k", "v"), "COMMAND GETKEYS ? ? ?"),
    (("CLIENT", "NEWER", "pw"), "CLIENT NEWER ?"),
    (("CLIENT", "not a subcommand"), "CLIENT ?"),
    (("SET k pw",), "SET k ?"),
    (("SET k", "pw"), "SET k ?"),
]


def _released() -> memoryview:
    view = memoryview(b"k")
    view.release()
    return view


FORMS: list[tuple[tuple[Any, ...], str]] = [
    ((), ""),
    (("",), "?"),
    ((None, "x"), "? ?"),
    (("get", "k"), "get k"),
    ((b"GET", b"k"), "GET k"),
    (("GET", b"\xff\xc3\xa9"), "GET \\xff\xe9"),
    (("GET", bytearray(b"k")), "GET k"),
    (("GET", memoryview(b"k")), "GET k"),
    (("GET", memoryview(array.array("h", [0x4141]))), "GET AA"),
    (("GET", _released()), "GET ?"),
    (("GET", 5), "GET 5"),
    (("GET", -1.5), "GET -1.5"),
    (("GET", 10**5000), "GET ?"),
    (("GET", None), "GET ?"),
    (("GET", True), "GET ?"),
    (("GET", ["k"]), "GET ?"),
    (("GET", ""), 'GET ""'),
    (("GET", "a b"), 'GET "a b"'),
    (("GET", 'a"\\b'), 'GET "a\\"\\\\b"'),
    (("GET", "a\n"), 'GET "a\\n"'),
    (("GET", "ключ"), "GET ключ"),
    (("GET", "\udcff"), 'GET "\\udcff"'),
]


def described(args: Any) -> tuple[Any, Any]:
    """Name and text of a command, in the short way where it has one."""
    told = short(args)
    return (operation_name(args), redis_text(args)) if told is None else (told[0], in_full(*told))


@pytest.mark.parametrize(("args", "text"), COMMANDS + SCRIPTS + STREAMS + SECRETS + FORMS)
def test_text(args: tuple[Any, ...], text: str) -> None:
    """user-pain row 14: the command, keys, fields and options are shown as on the command line, values are not."""
    assert redis_text(args) == text
    assert redis_text(list(args)) == text
    assert described(args) == described(list(args)) == (operation_name(args), text)


@pytest.mark.parametrize(
    ("args", "name"),
    [
        (("GET", "k"), "GET"),
        (("get", "k"), "get"),
        ((b"GET", "k"), "GET"),
        (("FT.SEARCH", "i", "q"), "FT.SEARCH"),
        (("CONFIG SET", "a", "b"), "CONFIG SET"),
        (("CONFIG", "SET", "a", "b"), "CONFIG SET"),
        (("config", "set", "a", "b"), "config set"),
        (("config set a b",), "config set"),
        (("CLIENT", b"NO-EVICT", "ON"), "CLIENT NO-EVICT"),
        (("CLIENT", "joe@example.org"), "CLIENT"),
        (("CONFIG",), "CONFIG"),
        (("SET k v",), "SET"),
        ((), ""),
        ((None,), "?"),
    ],
)
def test_operation_name(args: tuple[Any, ...], name: str) -> None:
    """A command is named as given, one with subcommands together with these, in whichever form it was passed."""
    assert operation_name(args) == described(args)[0] == name


def test_is_bounded() -> None:
    """Long keys, long texts and many arguments are cut, and say so."""
    assert redis_text(("GET", "k" * 10_000)) == f"GET {'k' * NAME_LIMIT}…"
    assert redis_text(("GET", b"k" * 10_000)) == f"GET {'k' * NAME_LIMIT}…"
    many = redis_text(("MGET", *map(str, range(10_000))))
    assert many == f"MGET {' '.join(map(str, range(WIDTH)))} …"
    long = redis_text(("MGET", *("k" * 100 for _ in range(20))))
    assert len(long) == TEXT_LIMIT
    assert long.endswith("…")
    assert redis_text((f"SMOVE {'a' * 5_000} b", "member")) == "SMOVE ? ?"


def test_a_known_command_takes_no_detour(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that the table holds as it is written is found by one look-up."""
    monkeypatch.delattr("tracing_agent.semconv.redis_text._resolved")
    assert redis_text(("GET", "k")) == "GET k"
    assert redis_text(("CONFIG SET", "a", "b")) == "CONFIG SET a ?"
    assert operation_name(("CONFIG SET", "a", "b")) == "CONFIG SET"


def test_leaves_strange_arguments_alone() -> None:
    """An argument that is no string, bytes or number is not asked for anything, not even its class."""

    class Strange:
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(name)

        __str__ = __repr__ = __len__ = __bool__ = __hash__ = __eq__ = None  # type: ignore[assignment]

    assert redis_text(("GET", Strange())) == "GET ?"
    assert redis_text(("EVAL", Strange(), Strange(), Strange())) == "EVAL ? ? ?"
    assert redis_text((Strange(), Strange())) == "? ?"
    assert operation_name((Strange(),)) == "?"


SECRET = "zq7secret7qz"
secrets = st.one_of(
    st.builds(lambda before, after: before + SECRET + after, st.text(max_size=5), st.text(max_size=5)),
    st.builds(lambda after: SECRET.encode() + after, st.binary(max_size=5)),
)
counts = st.integers(0, 3)


@st.composite
def commands(draw: st.DrawFn) -> tuple[Any, ...]:
    """Well-formed commands whose values are secrets."""
    secret = draw(secrets)
    keys = tuple(draw(st.lists(st.sampled_from(["k", b"k2", 3]), min_size=1, max_size=4)))
    pairs = tuple(part for key in keys for part in (key, secret))
    options = draw(st.sampled_from([(), ("MAXLEN", "~", 5), ("MINID", "=", "5-0", "LIMIT", 3), ("NOMKSTREAM",)]))
    return draw(
        st.sampled_from(
            [
                ("SET", "k", secret, "EX", 5, "GET"),
                ("SETEX", "k", 5, secret),
                ("APPEND", b"k", secret),
                ("GETSET", "k", secret),
                ("LSET", "l", 0, secret),
                ("LINSERT", "l", "BEFORE", secret, secret),
                ("LREM", "l", 1, secret),
                ("SMOVE", "a", "b", secret),
                ("SISMEMBER", "s", secret),
                ("ZADD", "z", "XX", "CH", 1.5, secret, 2, secret),
                ("ZRANGEBYLEX", "z", secret, secret, "LIMIT", 0, 1),
                ("GEOSEARCH", "g", "FROMMEMBER", secret, "BYRADIUS", 1, "km"),
                ("PFADD", "p", secret, secret),
                ("RESTORE", "k", 0, secret, "REPLACE"),
                ("PUBLISH", "c", secret),
                ("AUTH", secret),
                ("AUTH", secret, secret),
                ("HELLO", 2, "AUTH", secret, secret),
                ("CONFIG SET", "requirepass", secret),
                ("ACL SETUSER", "joe", secret, secret),
                ("ACL", "SETUSER", "joe", secret),
                ("MIGRATE", "h", 1, "k", 0, 9, "COPY", "AUTH2", secret, secret),
                ("SENTINEL", "SET", "m", "auth-pass", secret),
                ("ECHO", secret),
                ("SCRIPT", "LOAD", secret),
                ("NEW.COMMAND", "k", secret, secret),
                ("EVAL", secret, len(keys), *keys, secret, secret),
                ("EVALSHA", "sha", str(len(keys)), *keys, secret),
                ("FCALL", "f", len(keys), *keys, secret),
                ("MSET", *pairs),
                ("HSET", "h", *pairs),
                ("XADD", "s", *options, "*", *pairs),
                ("CONFIG", "SET", *pairs),
                ("JSON.MSET", "k", "$", secret, "k", "$", secret),
            ]
        )
    )


@untimed
@given(commands())
def test_no_value_leaks(args: tuple[Any, ...]) -> None:
    """user-pain row 14: whatever a value holds, nothing of it shows in the text or the name."""
    assert SECRET not in redis_text(args)
    assert SECRET not in operation_name(args)


names = st.sampled_from([*sorted(SHAPES), *sorted(CONTAINERS), "get", "hset h", "x" * 2000])
arguments = st.one_of(
    st.text(),
    st.binary(),
    st.integers(),
    st.floats(),
    st.none(),
    st.booleans(),
    st.sampled_from(["MAXLEN", "~", "STREAMS", "LIMIT", "*", "SET", "²", "٣", b"\xb2"]),
    st.binary().map(memoryview),
    st.binary().map(bytearray),
)


@untimed
@given(st.one_of(names, arguments), st.lists(arguments, max_size=80))
def test_never_raises(name: Any, rest: list[Any]) -> None:
    """Any arguments at all have a text and a name, within the limits and fit to be sent."""
    text = redis_text((name, *rest))
    assert len(text) <= TEXT_LIMIT
    text.encode(errors="surrogatepass")
    assert len(operation_name((name, *rest))) <= 2 * WIDTH + 1
    assert described((name, *rest)) == (operation_name((name, *rest)), text)
