"""When the events of a job's life happen, and what follows from them at an instant: state is never stored."""

from math import ceil, inf
from random import Random
from typing import NamedTuple

from mockserver.jobs.lifecycle import State
from mockserver.jobs.profile import Profile

_ROUNDING = 1e-4  # of a step: an instant of today is known to 0.2 µs, and a run can be short
FAILS_AT = 0.9  # of the way: moderation failures are seen late in a run

# Looking a member up in an enum costs ten times a global name, and these are used on every request.
_QUEUED, _RUNNING, _SUCCEEDED, _FAILED = State.QUEUED, State.RUNNING, State.SUCCEEDED, State.FAILED


class Timeline(NamedTuple):
    """The instants of a job's life, in seconds since the epoch; infinity for what never happens.

    A job is queued when created, runs from `started`, and is in the terminal state `outcome` from `ended`.
    `due` is when the work would be done: what progress counts toward, even in a job that fails on the way.
    `steps` is in how many equal steps progress is seen to move; `expires` is when the result can no longer
    be fetched (None: never, or there is none). A named tuple: one is made for each job, and it is small.
    """

    created: float
    started: float
    ended: float
    outcome: State
    due: float
    steps: int = 10
    expires: float | None = None

    def at(self, now: float) -> tuple[State, int]:
        """The state and the whole percent done at an instant. All else that an answer shows follows from these two.

        Progress moves in steps and never falls; it is 100 exactly when the job has succeeded, and a job that
        ended otherwise stays where it was.
        """
        if now >= self.ended:
            if self.outcome is _SUCCEEDED:
                return _SUCCEEDED, 100
            return self.outcome, self._percent(self.ended)
        if now < self.started:
            return _QUEUED, 0
        return _RUNNING, self._percent(now)

    def _percent(self, now: float) -> int:
        whole = self.due - self.started
        share = (now - self.started) / whole if 0 < whole < inf and now > self.started else 0.0
        return min(100 * int(share * self.steps + _ROUNDING) // self.steps, 99)

    def state_at(self, now: float) -> State:
        """The state at an instant."""
        return self.at(now)[0]

    def progress_at(self, now: float) -> int:
        """Percent done at an instant, 0 to 100."""
        return self.at(now)[1]

    def started_at(self, now: float) -> float | None:
        """When the job began to run, if it has by now."""
        return self.started if self.started <= now else None

    def ended_at(self, now: float) -> float | None:
        """When the job came to its end, if it has by now."""
        return self.ended if self.ended <= now else None

    def changed_at(self, now: float) -> float:
        """When the state last changed, counting creation."""
        return max(at for at in (self.created, self.started, self.ended) if at <= now)

    def cancelled(self, now: float) -> "Timeline":
        """The same life, ended by cancellation at an instant."""
        started = self.started if self.started <= now else inf
        return self._replace(started=started, ended=now, outcome=State.CANCELLED, expires=None)

    def next_event_after(self, now: float) -> float | None:
        """The earliest instant after now at which something happens, if anything does."""
        instants = (self.started, self.ended, inf if self.expires is None else self.expires)
        return min((at for at in instants if now < at < inf), default=None)


def draw_timeline(profile: Profile, random: Random, created: float, can_fail: bool = True) -> Timeline:
    """A job's timeline from a profile and a seeded generator, which is drawn from three times, always."""
    draw = random.random
    least, most = profile.queue
    wait = least + (most - least) * draw()
    least, most = profile.run
    total = wait + least + (most - least) * draw()
    fails = draw() < profile.failure_rate and can_fail
    if profile.tick:
        wait = ceil(wait / profile.tick) * profile.tick
        total = max(ceil(total / profile.tick) * profile.tick, wait)
    started, ended = created + wait, created + total
    if fails:
        return Timeline(
            created, started, ended, _FAILED, started + (ended - started) / FAILS_AT, profile.progress_steps
        )
    expires = None if profile.expires_after is None else ended + profile.expires_after
    return Timeline(created, started, ended, _SUCCEEDED, ended, profile.progress_steps, expires)
