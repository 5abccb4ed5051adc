"""kafka-python under the agent, against a real broker; `log.Log` is one topic on it."""
