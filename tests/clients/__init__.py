"""HTTP clients against real servers: one suite for all libraries, and what is special about each."""
