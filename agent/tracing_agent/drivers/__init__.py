"""Drivers: how a traced call runs, ends and fails. The only place with ``try`` around library code."""
