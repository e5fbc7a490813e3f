"""What a page shows: frozen values without logic, a dataclass a page, named after its template."""
