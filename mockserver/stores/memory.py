"""Jobs in memory, up to a maximum; beyond it the job that finished first makes room."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush

from mockserver.jobs.job import Job
from mockserver.stores.protocol import StoreFull

DEFAULT_MAX_JOBS = 100_000  # about 150 MB


def _order(job: Job) -> tuple[float, str]:
    return job.timeline.created, job.id


class MemoryStore:
    """A store that lives as long as the process."""

    def __init__(self, max_jobs: int = DEFAULT_MAX_JOBS, on_first_drop: Callable[[], None] | None = None) -> None:
        self._max_jobs = max_jobs
        self._on_first_drop = on_first_drop
        self._jobs: dict[str, Job] = {}
        self._lists: dict[tuple[str, str], list[Job]] = {}
        self._ends: list[tuple[float, str]] = []  # a heap, made when room is first needed; may name removed jobs

    def add(self, job: Job, now: float) -> None:
        if len(self._jobs) >= self._max_jobs:
            self._make_room(now)
        self._jobs[job.id] = job
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
        self._jobs[job.id] = job
        jobs = self._lists[job.owner, job.kind]
        jobs[bisect_left(jobs, _order(job), key=_order)] = job
        if self._ends:
            heappush(self._ends, (job.timeline.ended, job.id))

    def remove(self, id: str) -> None:
        job = self._jobs.pop(id)
        key = (job.owner, job.kind)
        jobs = self._lists[key]
        del jobs[bisect_left(jobs, _order(job), key=_order)]
        if not jobs:
            del self._lists[key]

    def count(self, owner: str, kind: str) -> int:
        return len(self._lists.get((owner, kind), ()))

    def page(self, owner: str, kind: str, descending: bool, after: Job | None, skip: int, size: int) -> Sequence[Job]:
        jobs = self._lists.get((owner, kind), [])
        if descending:
            stop = (bisect_left(jobs, _order(after), key=_order) if after else len(jobs)) - skip
            return jobs[max(stop - size, 0) : stop][::-1] if stop > 0 else []
        start = (bisect_right(jobs, _order(after), key=_order) if after else 0) + skip
        return jobs[start : start + size]

    def _make_room(self, now: float) -> None:
        """Drop the job that finished first, passing over what the heap still names but is gone."""
        if not self._ends or len(self._ends) > 2 * len(self._jobs) + 64:
            self._ends = [(job.timeline.ended, job.id) for job in self._jobs.values()]
            heapify(self._ends)
        while self._ends:
            end, id = self._ends[0]
            known = self._jobs.get(id)
            if known is not None and known.timeline.ended == end:
                if end > now:
                    break
                self.remove(id)
                if self._on_first_drop:
                    self._on_first_drop()
                    self._on_first_drop = None
            heappop(self._ends)
            if len(self._jobs) < self._max_jobs:
                return
        raise StoreFull(f"all {self._max_jobs} jobs that are kept are still unfinished")
