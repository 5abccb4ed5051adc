"""`tracing-run watch`: receives OTLP and prints traces. Never imported by a traced program."""
