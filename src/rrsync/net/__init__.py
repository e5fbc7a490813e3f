"""Bounded network access: every exchange ends within a deadline and a size."""
