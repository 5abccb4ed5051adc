"""Which arguments of a Redis command may be shown: keys, hash fields and option words. All others are values.

A shape has one character an argument: `k` is shown and `-` masked; `o` is an option word, shown, or the argument of
one, masked, up to the first that is neither, and masked from there; `#` is the number of the keys that follow it, shown
with them. What stands in parentheses repeats, and after them comes the last argument's. Arguments beyond a shape are
masked. Source: the commands' syntax in the Redis documentation, up to 8.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Shape = str | Callable[[Sequence[Any]], str]

WIDTH = 64
"""So many arguments behind the command are shown or masked one by one."""

_COMMANDS = {
    "(k)": """
        DEL UNLINK EXISTS TOUCH WATCH MGET PFCOUNT PFMERGE SDIFF SINTER SUNION SDIFFSTORE SINTERSTORE SUNIONSTORE
        HMGET HDEL SUBSCRIBE UNSUBSCRIBE PSUBSCRIBE PUNSUBSCRIBE SSUBSCRIBE SUNSUBSCRIBE INFO
    """,
    "(k)-": "BLPOP BRPOP BZPOPMIN BZPOPMAX JSON.MGET",
    "(k-)": "MSET MSETNX",
    "(k--)": "JSON.MSET TS.MADD",
    "k(k-)": "HSET HMSET HSETNX HINCRBY HINCRBYFLOAT",
    "k": """
        GET APPEND BITFIELD DECR DECRBY GETDEL GETRANGE GETSET INCR INCRBY INCRBYFLOAT PSETEX SETEX SETNX SETRANGE
        STRLEN TTL PTTL TYPE PERSIST DUMP KEYS LINDEX LLEN LPOP LPUSH LPUSHX LRANGE LREM LSET LTRIM RPOP RPUSH
        RPUSHX SADD SCARD SISMEMBER SMISMEMBER SMEMBERS SPOP SRANDMEMBER SREM HGETALL HKEYS HLEN HVALS ZCARD ZCOUNT
        ZINCRBY ZPOPMAX ZPOPMIN ZREM ZSCORE ZMSCORE XLEN XDEL PFADD PUBLISH SPUBLISH SELECT MOVE
    """,
    "k(o)": """
        GETEX SORT SORT_RO ZADD GEOADD GEOSEARCH XTRIM HTTL HPTTL HPERSIST HEXPIRETIME HPEXPIRETIME HGETEX HSETEX
        HGETDEL
    """,
    "ko": "LINSERT",
    "k-(o)": """
        SET EXPIRE PEXPIRE EXPIREAT PEXPIREAT SSCAN HSCAN ZSCAN ZRANK ZREVRANK ZRANDMEMBER HRANDFIELD LPOS HEXPIRE
        HPEXPIRE HEXPIREAT HPEXPIREAT
    """,
    "k--(o)": "RESTORE ZRANGE ZREVRANGE ZRANGEBYSCORE ZREVRANGEBYSCORE ZRANGEBYLEX ZREVRANGEBYLEX XRANGE XREVRANGE",
    "k---(o)": "GEORADIUSBYMEMBER",
    "k----(o)": "GEORADIUS",
    "kk": "RENAME RENAMENX RPOPLPUSH BRPOPLPUSH SMOVE HGET HEXISTS HSTRLEN SWAPDB XACK XCLAIM",
    "kkoo": "LMOVE BLMOVE",
    "kk(o)": "COPY LCS GEOSEARCHSTORE XPENDING XACKDEL",
    "kk--(o)": "ZRANGESTORE",
    "kk---(o)": "XAUTOCLAIM",
    "ok(k)": "BITOP",
    "--k--(o)": "MIGRATE",
    "#(o)": "LMPOP ZMPOP ZUNION ZINTER ZDIFF ZINTERCARD SINTERCARD SUNIONCARD SDIFFCARD",
    "k#(o)": "ZUNIONSTORE ZINTERSTORE ZDIFFSTORE",
    "-#(o)": "BLMPOP BZMPOP",
    "-#": "EVAL EVAL_RO",
    "k#": "EVALSHA EVALSHA_RO FCALL FCALL_RO",
    "(o)": "FLUSHALL FLUSHDB SHUTDOWN",
    "-(o)": "HELLO SCAN",
    "-": "AUTH ECHO PING REPLICAOF SLAVEOF PSYNC WAIT WAITAOF LOLWUT FAILOVER",
}
_SUBCOMMANDS = {
    "(k)": "CONFIG_GET SCRIPT_EXISTS PUBSUB_NUMSUB PUBSUB_SHARDNUMSUB COMMAND_INFO COMMAND_DOCS ACL_DELUSER",
    "(k-)": "CONFIG_SET",
    "k(k-)": "SENTINEL_SET",
    "k": """
        ACL_SETUSER ACL_GETUSER ACL_DRYRUN ACL_CAT CLIENT_SETINFO CLUSTER_KEYSLOT FUNCTION_DELETE OBJECT_ENCODING
        OBJECT_FREQ OBJECT_IDLETIME OBJECT_REFCOUNT DEBUG_OBJECT PUBSUB_CHANNELS PUBSUB_SHARDCHANNELS
        SENTINEL_MASTER SENTINEL_SENTINELS SENTINEL_SLAVES SENTINEL_REPLICAS SENTINEL_CKQUORUM SENTINEL_MONITOR
        SENTINEL_REMOVE SENTINEL_FAILOVER SENTINEL_GET-MASTER-ADDR-BY-NAME XINFO_GROUPS
    """,
    "kk": "XGROUP_DESTROY XGROUP_CREATECONSUMER XGROUP_DELCONSUMER XINFO_CONSUMERS",
    "k(o)": "MEMORY_USAGE XINFO_STREAM",
    "kk-(o)": "XGROUP_CREATE XGROUP_SETID",
    "(o)": "CLIENT_KILL CLIENT_LIST CLIENT_TRACKING CLIENT_REPLY FUNCTION_LOAD FUNCTION_LIST SCRIPT_FLUSH",
}
_CONTAINERS = """
    ACL CLIENT CLUSTER COMMAND CONFIG DEBUG FT.CONFIG FUNCTION HOTKEYS LATENCY MEMORY MODULE OBJECT PUBSUB SCRIPT
    SENTINEL SLOWLOG XGROUP XINFO
"""
# By the number of arguments that follow them.
_OPTIONS = (
    """
        ABSTTL ACKED AFTER AGGREGATE ALPHA AND ASC ASYNC BCAST BEFORE BYLEX BYSCORE CH COPY DELREF DESC DIFF FNX
        FORCE FULL FXX GET GT IDX INCR JUSTID KEEPREF KEEPTTL KEYS LEFT LEN LT MAX MIN MKSTREAM NOACK NOLOOP
        NOMKSTREAM NOSAVE NOT NOVALUES NOW NX OFF ON OPTIN OPTOUT OR PERSIST REPLACE REV RIGHT SAVE STREAMS SUM SYNC
        WITHCODE WITHCOORD WITHDIST WITHHASH WITHMATCHLEN WITHSCORE WITHSCORES WITHVALUES XOR XX
    """,
    """
        ADDR BLOCK BY COUNT DB ENTRIESREAD EX EXAT FIELDS FREQ FROMMEMBER ID IDLE IDLETIME IFDEQ IFDNE IFEQ IFNE
        LADDR LASTID LIBRARYNAME MATCH MAXLEN MINID MINMATCHLEN PREFIX PX PXAT RANK REDIRECT SAMPLES SETNAME SKIPME
        STORE STOREDIST TYPE USER WEIGHTS
    """,
    "AUTH AUTH2 BYRADIUS FROMLONLAT GROUP LIMIT",
    "BYBOX",
)

MASKED = "-" * WIDTH
# Of a command that is not named the first argument is shown; of a container's subcommand that is not, none.
OTHER = "k" + MASKED[1:]
OPTIONS = {word: number for number, names in enumerate(_OPTIONS) for word in names.split()}


def word_of(arg: Any) -> str:
    """A word of the protocol, or a small number, in capitals; empty where `arg` is neither."""
    kind = type(arg)
    if issubclass(kind, (bytes, bytearray)):
        text = arg[:WIDTH].decode("latin-1")
    elif issubclass(kind, str):
        text = str.__str__(arg)
    else:
        return str(arg) if kind is int and 0 <= arg < 1 << 31 else ""
    return text.upper() if len(text) < WIDTH else ""


def _parsed(shape: str) -> Shape:
    head, _, rest = shape.partition("(")
    cycle, _, last = rest.partition(")")
    if "#" in head:
        return _counted(head.index("#"), head[:-1], cycle or "-")
    codes = (head + (cycle or "-") * WIDTH)[:WIDTH]
    if len(cycle) > 1:
        return _grouped(codes, len(head), len(cycle))
    if last:
        return lambda args: codes[: len(args) - 2] + last
    return codes


def _counted(at: int, before: str, after: str) -> Shape:
    def codes(args: Sequence[Any]) -> str:
        number = word_of(args[at + 1]) if len(args) > at + 1 else ""
        if not (number.isascii() and number.isdigit() and len(number) < 7 and int(number) <= len(args) - at - 2):
            return before + MASKED
        return f"{before}k{'k' * min(int(number), WIDTH)}{after * WIDTH}"

    return codes


def _grouped(codes: str, head: int, size: int) -> Shape:
    """Where a group is incomplete, which the server refuses, nobody knows which argument is the value."""
    refused = codes[:head] + MASKED
    return lambda args: codes if (len(args) - 1 - head) % size == 0 else refused


def _xadd(args: Sequence[Any]) -> str:
    """`key [NOMKSTREAM] [KEEPREF|DELREF|ACKED] [MAXLEN|MINID [=|~] threshold [LIMIT count]] *|id field value …`."""
    codes = "k"
    words = [word_of(arg) for arg in args[2:12]]
    while (at := len(codes) - 1) < len(words) and words[at] in OPTIONS:
        codes += "k"
        if words[at] in ("MAXLEN", "MINID", "LIMIT"):
            codes += "k-" if words[at + 1 : at + 2] in (["="], ["~"]) else "-"
    at = len(codes) - 1
    if (len(args) - 2 - at) % 2 == 0:
        # Not so many arguments that each field has a value: an option that is not known here.
        return OTHER
    return f"{codes}{'k' if words[at : at + 1] == ['*'] else '-'}{'k-' * WIDTH}"


def _xread(args: Sequence[Any]) -> str:
    """`… STREAMS key [key …] id [id …]`."""
    for at in range(1, min(len(args), 16)):
        if word_of(args[at]) == "STREAMS":
            return f"{'o' * at}{'k' * ((len(args) - at - 1) // 2)}{MASKED}"
    return MASKED


SHAPES: dict[str, Shape] = {name: _parsed(shape) for shape, names in _COMMANDS.items() for name in names.split()}
SHAPES |= {name.replace("_", " "): _parsed(shape) for shape, names in _SUBCOMMANDS.items() for name in names.split()}
SHAPES |= {"XADD": _xadd, "XREAD": _xread, "XREADGROUP": _xread}
CONTAINERS = frozenset(_CONTAINERS.split())
