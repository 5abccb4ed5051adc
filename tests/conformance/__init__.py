"""W3C Trace Context, Level 2: services under `tracing-run` that forward what they are told, as whole processes."""
