"""Names, text and redaction by the semantic conventions: pure functions, tried without any library."""
