"""The core of the agent: spans, context, export and the mechanics of patching. It knows no library."""

__version__ = "0.1.0"
