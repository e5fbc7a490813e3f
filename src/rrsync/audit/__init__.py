"""The rooms that show the access log, prove it, and watch over it."""
