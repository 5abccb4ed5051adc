"""The server suite: what every HTTP server framework's spans must say and do, and what is particular to each."""
