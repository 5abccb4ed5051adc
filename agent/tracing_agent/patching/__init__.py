"""The mechanics of changing other people's modules: when they are imported, and where to cut."""
