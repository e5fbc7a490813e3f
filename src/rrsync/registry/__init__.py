"""The register: the one gate, and the modules that write, send, read and log for it."""
