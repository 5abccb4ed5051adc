"""psycopg: one suite, written once, that runs sync and async against a real server."""
