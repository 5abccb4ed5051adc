"""The agent before software that we did not write: Jaeger 2, also a Collector; run by scripts/test-backends."""
