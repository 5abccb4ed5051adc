"""The words of SQL on which a statement's summary depends, as data."""


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


# May start a statement inside another one: after WITH …, EXPLAIN, PREPARE … AS, DECLARE … FOR.
DML = frozenset(("UPDATE", "DELETE", "INSERT", "MERGE", "REPLACE"))
DEFINITIONS = frozenset(("CREATE", "ALTER", "DROP", "REFRESH", "REINDEX"))
PREFIXES = frozenset(("EXPLAIN", "DECLARE"))
# The next name is what the command works on.
TARGETED = _set(
    """CALL EXEC EXECUTE COPY LISTEN UNLISTEN NOTIFY SET RESET SHOW USE PRAGMA DESCRIBE DESC TABLE TRUNCATE LOCK VACUUM
    ANALYZE CLUSTER ATTACH DETACH"""
)
# The names after a comma are worked on too.
LISTING = frozenset(("DROP", "TRUNCATE", "LOCK", "VACUUM", "ANALYZE"))
# What follows is no object, or has a name made per transaction, cursor or session.
PLAIN = _set(
    """BEGIN START COMMIT END ABORT ROLLBACK SAVEPOINT RELEASE FETCH MOVE CLOSE GRANT REVOKE DISCARD CHECKPOINT DO
    DEALLOCATE COMMENT SECURITY REASSIGN IMPORT LOAD VALUES KILL PREPARE"""
)
# Part of the command before them.
PHRASES = frozenset(("TRANSACTION", "PREPARED", "TO", "SAVEPOINT"))
QUALIFIERS = frozenset(("TABLE", "TABLES", "TIME"))

OBJECTS = _set(
    """TABLE INDEX VIEW SEQUENCE SCHEMA DATABASE FUNCTION PROCEDURE ROUTINE TRIGGER TYPE DOMAIN EXTENSION ROLE USER
    GROUP POLICY PUBLICATION SUBSCRIPTION SERVER RULE AGGREGATE COLLATION CONVERSION LANGUAGE OPERATOR STATISTICS
    TABLESPACE SYNONYM PACKAGE EVENT KEYSPACE"""
)
ROUTINES = frozenset(("FUNCTION", "PROCEDURE", "ROUTINE", "TRIGGER", "PACKAGE", "EVENT"))

# Stand between a command and the name that it works on.
TABLE_FILLERS = frozenset(("ONLY", "LATERAL"))
OBJECT_FILLERS = frozenset(("IF", "NOT", "EXISTS", "CONCURRENTLY", "ONLY", "ON"))
COMMAND_FILLERS = {
    "SET": frozenset(("LOCAL", "SESSION", "GLOBAL")),
    "SHOW": frozenset(("LOCAL", "SESSION", "GLOBAL")),
    "VACUUM": frozenset(("FULL", "FREEZE", "VERBOSE", "ANALYZE", "ONLY")),
    "ANALYZE": frozenset(("VERBOSE", "ONLY")),
    "CLUSTER": frozenset(("VERBOSE",)),
}

# End a list of tables.
CLAUSES = _set(
    """WHERE GROUP ORDER HAVING LIMIT OFFSET UNION INTERSECT EXCEPT MINUS WINDOW QUALIFY FOR RETURNING SET VALUES WHEN
    BY DUPLICATE CONFLICT FETCH"""
)
