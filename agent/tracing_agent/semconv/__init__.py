"""The semantic conventions, pushed to: a library's module knows the values, these modules the names and rules."""
