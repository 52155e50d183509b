"""Jobs in memory, up to a maximum that several stores share; beyond it the job that finished first makes room."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush

from mockserver.jobs.job import Job
from mockserver.stores.protocol import StoreFull

DEFAULT_MAX_JOBS = 100_000  # about 150 MB


def _order(job: Job) -> tuple[float, str]:
    return job.timeline.created, job.id


class Room:
    """How many jobs some stores may hold together."""

    def __init__(self, most: int = DEFAULT_MAX_JOBS, on_first_drop: Callable[[], None] | None = None) -> None:
        self.most = most
        self.taken = 0
        self.stores: list[MemoryStore] = []
        self._on_first_drop = on_first_drop

    def make(self, store: "MemoryStore", now: float) -> None:
        """Room for one job of a store: its own that finished first goes, else one of another store.

        Raises StoreFull if none has finished, each by its own clock.
        """
        if not store.drop_finished(now):
            others = (other for other in self.stores if other is not store)
            if not any(other.drop_finished(other.now()) for other in others):
                raise StoreFull(f"all {self.most} jobs that are kept are still unfinished")
        if self._on_first_drop:
            self._on_first_drop()
            self._on_first_drop = None


class MemoryStore:
    """A store that lives as long as the process. `now` is its clock, asked when another store needs room."""

    def __init__(
        self, room: Room | int = DEFAULT_MAX_JOBS, on_first_drop: Callable[[], None] | None = None,
        *, now: Callable[[], float] = lambda: 0.0,
    ) -> None:  # fmt: skip
        self._room = room if isinstance(room, Room) else Room(room, on_first_drop)
        self._room.stores.append(self)
        self.now = now
        self._jobs: dict[str, Job] = {}
        self._lists: dict[tuple[str, str], list[Job]] = {}
        self._ends: list[tuple[float, str]] = []  # a heap, made when room is first needed; may name removed jobs
        self.on_change: Callable[[Job, Job | None], None] | None = None  # told of each job that is replaced or removed

    def add(self, job: Job, now: float) -> None:
        room = self._room
        if room.taken >= room.most:
            room.make(self, now)
        self._jobs[job.id] = job
        room.taken += 1
        key = (job.owner, job.kind)
        jobs = self._lists.get(key)
        if jobs is None:
            self._lists[key] = [job]
        elif jobs[-1].timeline.created < job.timeline.created:
            jobs.append(job)
        else:
            insort(jobs, job, key=_order)
        if self._ends:
            heappush(self._ends, (job.timeline.ended, job.id))

    def get(self, id: str) -> Job | None:
        return self._jobs.get(id)

    def replace(self, job: Job) -> None:
        old = self._jobs[job.id]
        self._jobs[job.id] = job
        jobs = self._lists[job.owner, job.kind]
        jobs[bisect_left(jobs, _order(job), key=_order)] = job
        if self._ends:
            heappush(self._ends, (job.timeline.ended, job.id))
        if self.on_change:
            self.on_change(old, job)

    def remove(self, id: str) -> None:
        job = self._jobs.pop(id)
        self._room.taken -= 1
        key = (job.owner, job.kind)
        jobs = self._lists[key]
        del jobs[bisect_left(jobs, _order(job), key=_order)]
        if not jobs:
            del self._lists[key]
        if self.on_change:
            self.on_change(job, None)

    def count(self, owner: str, kind: str) -> int:
        return len(self._lists.get((owner, kind), ()))

    def page(self, owner: str, kind: str, descending: bool, after: Job | None, skip: int, size: int) -> Sequence[Job]:
        jobs = self._lists.get((owner, kind), [])
        if descending:
            stop = (bisect_left(jobs, _order(after), key=_order) if after else len(jobs)) - skip
            return jobs[max(stop - size, 0) : stop][::-1] if stop > 0 else []
        start = (bisect_right(jobs, _order(after), key=_order) if after else 0) + skip
        return jobs[start : start + size]

    def __iter__(self) -> Iterator[Job]:
        return iter(sorted(self._jobs.values(), key=_order))

    def unordered(self) -> Iterable[Job]:
        """All jobs, in no order that counts: to be looked through at once."""
        return self._jobs.values()

    def __len__(self) -> int:
        return len(self._jobs)

    def leave(self) -> None:
        """Forget all jobs, and take no part in the room any more."""
        self._room.taken -= len(self._jobs)
        self._room.stores.remove(self)
        self._jobs.clear()
        self._lists.clear()
        self._ends.clear()

    def drop_finished(self, now: float) -> bool:
        """Drop the job that finished first; False if none has by now."""
        if not self._ends or len(self._ends) > 2 * len(self._jobs) + 64:
            self._ends = [(job.timeline.ended, job.id) for job in self._jobs.values()]
            heapify(self._ends)
        while self._ends:
            end, id = self._ends[0]
            known = self._jobs.get(id)
            if known is not None and known.timeline.ended == end:
                if end > now:
                    return False
                self.remove(id)
                heappop(self._ends)
                return True
            heappop(self._ends)  # what the heap still names but is gone
        return False
