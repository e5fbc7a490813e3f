"""Where a checkpoint is kept out of the reach of who keeps the database: a file elsewhere, a mail, a witness."""
