"""The machine's own time and entropy; nothing else in the package may read them."""

import secrets
import time

from mockserver.clock import Clock, ClockMode


def steady_time() -> float:
    """Seconds since the Unix epoch; never steps backwards when the machine's clock is set."""
    return _EPOCH_OFFSET + time.monotonic()


_EPOCH_OFFSET = time.time() - time.monotonic()


def real_clock(speed: float = 1.0, mode: ClockMode | None = None) -> Clock:
    """A clock that starts at the machine's time; without a mode, it runs `speed` times as fast."""
    if mode is None:
        mode = ClockMode.REAL if speed == 1 else ClockMode.SCALED
    return Clock(steady_time, mode, speed)


def fresh_seed() -> int:
    """A seed for a run that was given none; printed at start, so that the run can be repeated."""
    return secrets.randbelow(1_000_000_000)


def fresh_key() -> str:
    """An API key that nobody has."""
    return f"sk-mock-{secrets.token_hex(16)}"


def fresh_token() -> str:
    """A token for the control API."""
    return secrets.token_urlsafe(24)
