"""The exporter: encoders against the official ones, transport against real servers, whole processes against a sink."""
