"""Do no harm: the libraries' own test-suites, run bare and under `tracing-run`, test by test the same."""
