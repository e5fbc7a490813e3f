"""Keeps library members' addresses true to the Belgian National Registry, through MAGDA."""
