"""Traced database clients, against real servers."""
