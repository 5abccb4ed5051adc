"""Logs: ids on records in process and in whole programs, and records on their way out."""
