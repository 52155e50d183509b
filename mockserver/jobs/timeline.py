"""When the events of a job's life happen, and what follows from them at an instant. State is worked out, never stored."""

from dataclasses import dataclass
from math import ceil
from random import Random

from mockserver.jobs.lifecycle import TERMINAL, State
from mockserver.jobs.profile import Profile

Entry = tuple[float, State]


@dataclass(frozen=True, slots=True)
class Timeline:
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

    def state_at(self, now: float) -> State:
        """The state at an instant; queued before the first move."""
        state = State.QUEUED
        for at, entered in self.entries:
            if at > now:
                break
            state = entered
        return state

    def started_at(self, now: float) -> float | None:
        """When the job began to run, if it has by now."""
        return next((at for at, state in self.entries if state is State.RUNNING and at <= now), None)

    def ended_at(self, now: float) -> float | None:
        """When the job came to its end, if it has by now."""
        at, state = self.entries[-1] if self.entries else (self.created, State.QUEUED)
        return at if state in TERMINAL and at <= now else None

    def changed_at(self, now: float) -> float:
        """When the state last changed, counting creation."""
        return max((at for at, _ in self.entries if at <= now), default=self.created)

    @property
    def end(self) -> float:
        """When the job comes to its end; infinity if it never does."""
        at, state = self.entries[-1] if self.entries else (0.0, State.QUEUED)
        return at if state in TERMINAL else float("inf")

    def progress_at(self, now: float) -> float:
        """Percent done, 0 to 100, moving in steps. It never falls, and is 100 exactly when the job has succeeded."""
        begun = None
        for at, state in self.entries:
            if at > now:
                break
            if state is State.SUCCEEDED:
                return 100.0
            if state is State.RUNNING:
                begun = at
            elif begun is not None:
                now = at  # an ended job stays where it was
        if begun is None:
            return 0.0
        share = (now - begun) / (self.due - begun) if self.due > begun else 0.0
        return min(100.0 * int(share * self.steps) / self.steps, 99.0)

    def next_event_after(self, now: float) -> float | None:
        """The earliest instant after now at which something happens, if anything does."""
        instants = [at for at, _ in self.entries] + ([self.expires] if self.expires is not None else [])
        return min((at for at in instants if at > now), default=None)


FAILS_AT = 0.9  # of the way: moderation failures are seen late in a run


def draw_timeline(profile: Profile, random: Random, created: float, can_fail: bool = True) -> Timeline:
    """A job's timeline from a profile and a seeded generator, which is drawn from three times, always."""
    queue = profile.queue[0] + (profile.queue[1] - profile.queue[0]) * random.random()
    run = profile.run[0] + (profile.run[1] - profile.run[0]) * random.random()
    fails = random.random() < profile.failure_rate and can_fail
    started, ended = queue, queue + run
    if profile.tick:
        started = ceil(started / profile.tick) * profile.tick
        ended = max(ceil(ended / profile.tick) * profile.tick, started)
    start, end = created + started, created + ended
    if fails:
        due = start + (end - start) / FAILS_AT
        return Timeline(created, ((start, State.RUNNING), (end, State.FAILED)), due, profile.progress_steps)
    expires = None if profile.expires_after is None else end + profile.expires_after
    return Timeline(created, ((start, State.RUNNING), (end, State.SUCCEEDED)), end, profile.progress_steps, expires)


def finished_timeline(now: float) -> Timeline:
    """The timeline of what has no life in time: it is there as soon as it is made."""
    return Timeline(now, ((now, State.SUCCEEDED),), now)
