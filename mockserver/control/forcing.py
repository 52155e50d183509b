"""Forcing a job to a state, in which it stays."""

from collections.abc import Mapping
from math import inf
from typing import Any

from mockserver.jobs.job import Job
from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import JobResource


def force(job: Job, state: State, now: float, resource: JobResource, error: Mapping[str, Any] | None = None) -> Job:
    """The job as it is in a state from an instant on; `error` is what a failed one says."""
    old = job.timeline
    if state is State.QUEUED:
        timeline = old._replace(started=inf, ended=inf, due=inf, expires=None)
    elif state is State.RUNNING:
        timeline = old._replace(started=min(old.started, now), ended=inf, due=inf, expires=None)
    else:
        started = min(old.started, now)
        due = now if state is State.SUCCEEDED else old.due if now < old.due < inf else inf
        lasts = resource.profile.expires_after
        expires = now + lasts if state is State.SUCCEEDED and lasts is not None else None
        timeline = old._replace(started=started, ended=now, outcome=state, due=due, expires=expires)
    return job._replace(timeline=timeline, failure=dict(error) if error is not None else None)
