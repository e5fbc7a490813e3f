"""The pages for staff, operators and the data-protection officer, and the API for library systems."""
