"""From files to providers: the only code that reads the user's and the bundled files."""
