"""Drivers apart from any library."""
