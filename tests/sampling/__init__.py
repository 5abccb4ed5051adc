"""Which traces are recorded: samplers, rules, caps, and what is kept after all."""
