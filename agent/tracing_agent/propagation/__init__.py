"""How a trace crosses a process boundary: the header formats, and OpenTelemetry propagators over them."""
