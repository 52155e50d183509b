"""When the events of a job's life happen, and what follows from them at an instant. State is worked out, never stored."""

from math import ceil
from random import Random
from typing import NamedTuple

from mockserver.jobs.lifecycle import TERMINAL, State
from mockserver.jobs.profile import Profile

Entry = tuple[float, State]

# Looking a member up in an enum costs ten times a global name, and these are used on every request.
_QUEUED, _RUNNING, _SUCCEEDED, _FAILED = State.QUEUED, State.RUNNING, State.SUCCEEDED, State.FAILED


class Timeline(NamedTuple):
    """The instant of creation and the moves that follow, in order of time; instants in seconds since the epoch.

    `due` is when the work would be done: what progress counts toward, even in a job that fails on the way.
    `steps` is in how many equal steps progress is seen to move; `expires` is when the result can no longer
    be fetched (None: never, or there is none).
    """

    created: float
    entries: tuple[Entry, ...]
    due: float
    steps: int = 10
    expires: float | None = None

    def at(self, now: float) -> tuple[State, int]:
        """The state and the whole percent done at an instant. All else that an answer shows follows from these two.

        A job is queued before its first move. Progress moves in steps and never falls; it is 100 exactly when
        the job has succeeded, and an ended job stays where it was.
        """
        state, begun, until = _QUEUED, None, now
        for at, entered in self.entries:
            if at > now:
                break
            state = entered
            if entered is _RUNNING:
                begun = at
            else:
                until = at
        if state is _SUCCEEDED:
            return state, 100
        if begun is None:
            return state, 0
        share = (until - begun) / (self.due - begun) if self.due > begun else 0.0
        return state, min(100 * int(share * self.steps) // self.steps, 99)

    def state_at(self, now: float) -> State:
        """The state at an instant."""
        return self.at(now)[0]

    def progress_at(self, now: float) -> int:
        """Percent done at an instant, 0 to 100."""
        return self.at(now)[1]

    def started_at(self, now: float) -> float | None:
        """When the job began to run, if it has by now."""
        return next((at for at, state in self.entries if state is _RUNNING and at <= now), None)

    def ended_at(self, now: float) -> float | None:
        """When the job came to its end, if it has by now."""
        at, state = self.entries[-1] if self.entries else (self.created, _QUEUED)
        return at if state in TERMINAL and at <= now else None

    def changed_at(self, now: float) -> float:
        """When the state last changed, counting creation."""
        return max((at for at, _ in self.entries if at <= now), default=self.created)

    @property
    def end(self) -> float:
        """When the job comes to its end; infinity if it never does."""
        at, state = self.entries[-1] if self.entries else (0.0, _QUEUED)
        return at if state in TERMINAL else float("inf")

    def next_event_after(self, now: float) -> float | None:
        """The earliest instant after now at which something happens, if anything does."""
        instants = [at for at, _ in self.entries] + ([self.expires] if self.expires is not None else [])
        return min((at for at in instants if at > now), default=None)


FAILS_AT = 0.9  # of the way: moderation failures are seen late in a run


def draw_timeline(profile: Profile, random: Random, created: float, can_fail: bool = True) -> Timeline:
    """A job's timeline from a profile and a seeded generator, which is drawn from three times, always."""
    draw = random.random
    least, most = profile.queue
    started = least + (most - least) * draw()
    least, most = profile.run
    ended = started + least + (most - least) * draw()
    fails = draw() < profile.failure_rate and can_fail
    if profile.tick:
        started = ceil(started / profile.tick) * profile.tick
        ended = max(ceil(ended / profile.tick) * profile.tick, started)
    start, end = created + started, created + ended
    if fails:
        due = start + (end - start) / FAILS_AT
        return Timeline(created, ((start, _RUNNING), (end, _FAILED)), due, profile.progress_steps)
    expires = None if profile.expires_after is None else end + profile.expires_after
    return Timeline(created, ((start, _RUNNING), (end, _SUCCEEDED)), end, profile.progress_steps, expires)


def finished_timeline(now: float) -> Timeline:
    """The timeline of what has no life in time: it is there as soon as it is made."""
    return Timeline(now, ((now, _SUCCEEDED),), now)
