"""The `tracing-run` command."""


def main() -> int:
    raise SystemExit("tracing-run: not built yet")
