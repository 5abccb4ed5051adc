"""The documents for users, checked against the code."""
