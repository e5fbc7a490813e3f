"""The way to the register: one gate, and what it needs to ask, to read and to wait."""
