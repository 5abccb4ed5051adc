"""Logs: the ids of the current span on every record, and records on their way out."""
