"""redis-py: one suite, written once, that runs sync and async against real servers."""
