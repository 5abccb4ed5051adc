"""Stands in for the `test/__init__.py` of kafka-python, without which `test` is the standard library's."""
