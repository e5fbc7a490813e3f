"""The room of the register: its gate, and what the gate is made of."""
