"""Everything that runs before the application's first line, and the `tracing-run` command."""
