"""Checks of a contract over HTTP: they know the specs, and of the simulator nothing but its command line."""
