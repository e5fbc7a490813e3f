"""Texts for people: catalogues, and how dates, names and addresses are written."""
