"""Clocks: the only source of now. They hold instants; none of them reads the machine's time.

An instant is a float of seconds since the Unix epoch, UTC.
"""

from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """The source of now."""

    @property
    def rate(self) -> float:
        """Virtual seconds that pass in one real second; 0 if time moves only on request."""
        ...

    def now(self) -> float:
        """The current instant, in seconds since the Unix epoch."""
        ...


class FrozenClock:
    """A clock that stands still until it is advanced."""

    rate = 0.0

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move forward. Raises ValueError for a negative number of seconds."""
        if seconds < 0:
            raise ValueError(f"time cannot go backwards: advance({seconds})")
        self._now += seconds


class ScaledClock:
    """A clock that runs `rate` times as fast as the one it follows, starting together with it.

    Time is computed from two anchors, never ticked (the idea of trio's MockClock).
    """

    def __init__(self, source: Callable[[], float], rate: float) -> None:
        self._source = source
        self._base = source()
        self.rate = rate

    def now(self) -> float:
        return self._base + (self._source() - self._base) * self.rate
