"""Clocks: the only source of now. They hold instants; none of them reads the machine's time by itself.

An instant is a float of seconds since the Unix epoch, UTC.
"""

from collections.abc import Callable
from enum import StrEnum


class ClockMode(StrEnum):
    """How time passes: as on the machine, so many times as fast, on request alone, or with each poll."""

    REAL = "real"
    SCALED = "scaled"
    FROZEN = "frozen"
    SKIPPING = "skipping"


MOST = 253_402_300_799.0  # the last second of the year 9999, after which no date can be written
MOST_RATE = 1e9


class Clock:
    """The source of now for a server or one sandbox.

    Time is computed from two anchors, never ticked (the idea of trio's MockClock): `rate` virtual seconds pass in one
    second of `source`, none on a frozen or skipping clock. It never goes backwards.
    """

    __slots__ = ("_anchor", "_base", "mode", "rate", "source")

    def __init__(
        self, source: Callable[[], float], mode: ClockMode = ClockMode.REAL, rate: float = 1.0, now: float | None = None
    ) -> None:
        self.source = source
        self._anchor = source()
        self._base = self._anchor if now is None else now
        self.mode = mode
        self.rate = 0.0 if mode in (ClockMode.FROZEN, ClockMode.SKIPPING) else rate

    def now(self) -> float:
        """The current instant, in seconds since the Unix epoch."""
        return self.at(self.source())

    def at(self, real: float) -> float:
        """The instant that it shows when its source shows `real`."""
        if not self.rate:
            return self._base
        at = self._base + (real - self._anchor) * self.rate
        return at if at <= MOST else max(self._base, MOST)  # a fast clock gets there, and stays

    def advance(self, seconds: float) -> None:
        """Move forward. Raises ValueError for a negative number of seconds, or beyond the year 9999."""
        real = self.source()
        self._move(self.at(real) + seconds, real)

    def advance_to(self, instant: float) -> None:
        """Move forward to an instant. Raises ValueError for one that has passed, or beyond the year 9999."""
        self._move(instant, self.source())

    def _move(self, instant: float, real: float) -> None:
        """Show an instant that has not passed when the source shows `real`: it is read once, since it runs on."""
        now = self.at(real)
        if not now <= instant <= MOST:
            raise ValueError(f"time only goes forward, and not beyond the year 9999: from {now} to {instant}")
        self._base, self._anchor = instant, real

    def set(self, instant: float) -> None:
        """Show an instant from now on, also an earlier one: for a clock by which nothing has been made yet."""
        self._base, self._anchor = instant, self.source()

    def change(self, mode: ClockMode, rate: float = 1.0) -> None:
        """Let time pass in another way from now on."""
        real = self.source()
        self._base, self._anchor = self.at(real), real
        self.mode = mode
        self.rate = 0.0 if mode in (ClockMode.FROZEN, ClockMode.SKIPPING) else rate

    def take_over(self, other: "Clock") -> None:
        """Show and do from now on what another clock does."""
        self._base, self._anchor = other.now(), self.source()
        self.mode, self.rate = other.mode, other.rate

    def copy(self) -> "Clock":
        """A clock of its own that shows and does the same."""
        return Clock(self.source, self.mode, self.rate, self.now())
