"""Builds the rooms from the settings; the only clock, the only dice and the only way a process is told to stop."""
