"""The database: members, the access log and the run journal, on SQLite and PostgreSQL with the same code."""
