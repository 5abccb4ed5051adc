"""Propagation: the formats as plain functions, and OpenTelemetry propagators over them."""
