"""The settings: their tables, and how they are read."""
