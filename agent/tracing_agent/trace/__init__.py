"""The span engine: spans, the provider that hands them out, and the context that they live in."""
