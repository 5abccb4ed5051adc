"""Tests of `tracing-run watch`."""
