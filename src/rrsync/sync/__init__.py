"""Keeps members true: one member at the desk, all who are due at night."""
