"""`tracing-run doctor`: says why spans are missing. In a traced program it is only imported when asked for."""
