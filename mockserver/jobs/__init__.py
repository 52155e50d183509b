"""Asynchronous jobs: what they are in a contract, and how one lives in time. Pure: no clock, no I/O."""
