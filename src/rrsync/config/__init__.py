"""The settings: what can be set, and how they are read."""
