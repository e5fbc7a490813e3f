"""Builds the services from the settings; holds the only clock and random source."""
