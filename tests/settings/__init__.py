"""Settings: every variable, the table that documents them, and whole processes with bad values."""
