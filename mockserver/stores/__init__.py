"""Where jobs are kept: one protocol, one implementation a file."""
