"""One request in, one response out: routing, authorization, validation, action, rendering. No framework, no I/O."""
