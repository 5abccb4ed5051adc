"""What happens to spans after they ended: queue, encoding, transport. Everything here runs on the export thread."""
