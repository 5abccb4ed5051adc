"""Every way Python is started, multiplied and ended: whole processes, with the OTLP sink."""
