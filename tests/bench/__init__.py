"""How fast, how small: `make bench`."""
