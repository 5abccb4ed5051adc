"""One module a library: where to cut, and what to say."""
