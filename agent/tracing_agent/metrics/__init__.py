"""Metrics: durations and counts of what is traced, sampled or not, and the health of tracing itself."""
