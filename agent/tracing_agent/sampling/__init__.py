"""Which traces are recorded."""
