"""What a key has on this server: its jobs, clock, scenarios, drifts and journal, apart from those of all other keys."""
