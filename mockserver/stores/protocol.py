"""What a store of jobs can do. Only create, cancel and delete write."""

from collections.abc import Sequence
from typing import Protocol

from mockserver.jobs.job import Job


class StoreFull(Exception):
    """No room for another job, and no finished job to drop for it."""


class Store(Protocol):
    """Jobs by id. A list is ordered by creation, then by id."""

    def add(self, job: Job, now: float) -> None:
        """Keep a job. Drops the job that finished first if there is no room; raises StoreFull if none has by now."""
        ...

    def get(self, id: str) -> Job | None:
        """The job of an id."""
        ...

    def replace(self, job: Job) -> None:
        """Keep another record under an id that is known; its owner, kind and creation are the same."""
        ...

    def remove(self, id: str) -> None:
        """Forget a job."""
        ...

    def count(self, owner: str, kind: str) -> int:
        """How many jobs of a kind an owner has."""
        ...

    def page(self, owner: str, kind: str, descending: bool, after: Job | None, skip: int, size: int) -> Sequence[Job]:
        """At most `size` jobs in order, from the one after `after` (or from the start), leaving out `skip`."""
        ...
