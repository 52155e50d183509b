"""What a run may use: paid jobs, money, requests and seconds. It is reserved before a request is sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field


class Spent(Exception):
    """The requests or the seconds of a run are used up."""


@dataclass(slots=True)
class Budget:
    """The limits of one run, and what is used of them. None: no limit.

    `max_jobs` 0 is read-only: nothing is created. `prices` are those that a user gives: money for a job, by the
    operation's name or id or by the model's name; `*` stands for all others. With a `max_spend` a job whose price is
    not known is not created.
    `created` are the jobs that were created, for all that is known; `spent` is what they cost.
    """

    max_jobs: int | None = None
    max_spend: float | None = None
    prices: Mapping[str, float] = field(default_factory=dict)
    max_requests: int | None = None
    seconds: float | None = 3600.0
    created: int = 0
    spent: float = 0.0
    requests: int = 0
    _reserved: list[float] = field(default_factory=list)

    @property
    def is_read_only(self) -> bool:
        """Whether nothing may be created."""
        is_free = bool(self.prices) and not any(self.prices.values())
        return self.max_jobs == 0 or (self.max_spend is not None and self.max_spend <= 0 and not is_free)

    @property
    def jobs_left(self) -> float:
        """How many jobs may still be created."""
        return float("inf") if self.max_jobs is None else self.max_jobs - self.created - len(self._reserved)

    def reserve(self, price: float | None, keep: int = 0) -> bool:
        """Set a job aside for a request that may create one at a price (None: not known).

        False: there is none left, beside `keep` others of that price.
        """
        if self.jobs_left - keep < 1:
            return False
        if self.max_spend is not None and (
            price is None or self.spent + sum(self._reserved) + price * (1 + keep) > self.max_spend
        ):
            return False
        self._reserved.append(price or 0.0)
        return True

    def settle(self, is_created: bool) -> None:
        """What became of the last reservation: a job was created (or may have been), or none was."""
        price = self._reserved.pop()
        if is_created:
            self.created += 1
            self.spent += price

    def count_request(self, seconds_gone: float) -> None:
        """Count a request. Raises Spent if there may be no more."""
        if self.max_requests is not None and self.requests >= self.max_requests:
            raise Spent(f"the {self.max_requests} requests of this run are used up")
        if self.seconds is not None and seconds_gone > self.seconds:
            raise Spent(f"the {self.seconds:g} seconds of this run are used up")
        self.requests += 1


def budget_for(
    url: str, max_jobs: int | None = None, max_spend: float | None = None, prices: Mapping[str, float] | None = None,
    max_requests: int | None = None, seconds: float | None = 3600.0,
) -> Budget:  # fmt: skip
    """The budget of a run against a URL: read-only if that does not lead to this machine and nothing else is said."""
    from contract_tests.playing.target import is_loopback

    if max_jobs is None and max_spend is None and not is_loopback(url):
        max_jobs = 0
    return Budget(max_jobs, max_spend, prices or {}, max_requests, seconds)
