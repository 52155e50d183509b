"""How time passes while jobs run: by waiting, or, with the simulator, by moving its clock over the control API."""

from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from contract_tests.history import Exchange
from contract_tests.playing.target import Service
from mockserver.realtime import steady_time

LONGEST_WAIT = 60.0  # seconds between two polls, whatever an endpoint advises
SHORTEST_WAIT = 0.05
STEP = 5.0  # virtual seconds between two polls of the simulator's jobs, at first; progress is seen at several stages
SLOW_DOWN_REAL = 60.0  # part of the time that has gone between two polls of a job that takes long
SLOW_DOWN = 12.0  # later, this part of the time that has gone
MOST_RATE = 1e9  # virtual seconds in a real one; who says more is no simulator of ours
JUST_AFTER = 0.02  # seconds after an event


class Pace(Protocol):
    """The time of a service."""

    is_simulator: bool

    def now(self) -> float:
        """The service's time in seconds since the epoch, as far as it is known."""

    def until_next(self, job: str, last: Exchange, gone: float) -> float | None:
        """Seconds until a job should be polled again, `gone` seconds after it was created; None: it has ended."""

    def let_pass(self, seconds: float) -> None:
        """Let so much time pass at the service."""

    def restore(self) -> None:
        """Let time go on as it did before."""


class Waiting:
    """The time of a service that cannot be moved. `interval` is between polls where the endpoint advises none."""

    is_simulator = False

    def __init__(self, service: Service, interval: float, poll_after: str) -> None:
        self._service = service
        self._interval = interval
        self._poll_after = poll_after

    def now(self) -> float:
        return steady_time()

    def until_next(self, job: str, last: Exchange, gone: float) -> float | None:
        advised = advice(last, self._poll_after)
        usual = max(self._interval, gone / SLOW_DOWN_REAL)  # what has taken long takes longer
        wait = usual if advised is None else max(advised, SHORTEST_WAIT)
        return min(wait, LONGEST_WAIT)

    def let_pass(self, seconds: float) -> None:
        self._service.wait(seconds)

    def restore(self) -> None:
        pass


class Moving:
    """The time of our own simulator: of the sandbox that the key has there."""

    is_simulator = True

    def __init__(self, service: Service, root: str, clock: dict[str, Any], sandbox: str) -> None:
        self._service = service
        self._root = root
        self._sandbox = sandbox
        self._before: tuple[str, float] | None = None
        self._told: tuple[str, str] | None = None  # the address and the secret of webhooks
        self._webhook = ""  # the id under which that is known
        self._take(clock)
        self._hold()

    def now(self) -> float:
        if self._mode == "skipping":  # it moves with each poll
            self._take(self._ask("GET", "clock"))
        return self._then + (steady_time() - self._read) * self._rate

    def until_next(self, job: str, last: Exchange, gone: float) -> float | None:
        if self._mode == "skipping":
            return 0.0
        told = self._ask("GET", f"jobs/{quote(job, safe='')}")
        step = max(STEP, gone / SLOW_DOWN)
        if not isinstance(told, dict) or "next_event" not in told:
            return step
        due = seconds_of(told["next_event"])
        if due is None or told.get("ended"):
            return None
        return max(min(due - self.now() + JUST_AFTER, step), JUST_AFTER)

    def let_pass(self, seconds: float) -> None:
        if self._mode != "skipping":
            self._take(self._ask("POST", "clock/advance", {"by": round(seconds, 3)}))

    def tell(self, url: str, secret: str) -> bool:
        """Have the ends of jobs told to an address until time is restored; whether that was taken."""
        added = self._ask("POST", "webhooks", {"url": url, "secret": secret})
        webhook = added.get("webhook") if isinstance(added, dict) else None
        self._webhook = str(webhook.get("id", "")) if isinstance(webhook, dict) else ""
        self._told = (url, secret) if self._webhook else None
        return bool(self._webhook)

    def restore(self) -> None:
        if self._webhook:
            self._ask("DELETE", f"webhooks/{quote(self._webhook, safe='')}")
            self._webhook, self._told = "", None
        if self._before is not None:
            mode, rate = self._before
            self._before = None
            self._ask("POST", "clock", {"mode": mode, **({"rate": rate} if mode == "scaled" else {})})

    def _hold(self) -> None:
        """Stop a clock that moves by itself: at high speed jobs end, and results expire, between two requests."""
        if self._mode in ("real", "scaled", "skipping") and self._sandbox != "server":
            before = self._mode, self._rate
            clock = self._ask("POST", "clock", {"mode": "frozen"})
            if clock is not None:
                self._before = before
                self._take(clock)

    def fail(self, job: str) -> bool:
        """Let a job fail, as its provider says it; whether that was done."""
        return self._ask("PATCH", f"jobs/{quote(job, safe='')}", {"state": "failed"}) is not None

    def find_job(self, job: str) -> None:
        """Move the clock that a job is on: of the key's sandbox, of those without a key, or of all."""
        for sandbox in (self._sandbox, "anonymous"):
            if self._service.ask("GET", f"{self._root}/sandboxes/{sandbox}/jobs/{quote(job, safe='')}") is not None:
                break
        else:
            sandbox = "server"
        if sandbox != self._sandbox:
            told = self._told
            self.restore()
            self._sandbox = sandbox
            self._take(self._ask("GET", "clock"))
            self._hold()
            if told:
                self.tell(*told)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        return self._service.ask(method, f"{self._root}/sandboxes/{self._sandbox}/{path}", body)

    def _take(self, clock: Any) -> None:
        self._read = steady_time()
        if isinstance(clock, dict) and (now := seconds_of(clock.get("now"))) is not None:
            rate = clock.get("rate")
            is_rate = isinstance(rate, (int, float)) and 0 <= rate <= MOST_RATE
            self._then, self._rate = now, float(rate) if is_rate and rate is not None else 0.0
            self._mode = str(clock.get("mode", ""))


def find_simulator(service: Service, key: str) -> Moving | None:
    """Our own simulator, if the service is that and its clock may be moved. Without a key, its anonymous sandbox is."""
    parts = urlsplit(service.base_url)
    root = f"{parts.scheme}://{parts.netloc}/__mockserver"
    health = service.ask("GET", f"{root}/health")
    if not isinstance(health, dict) or health.get("status") != "ok" or not isinstance(health.get("version"), str):
        return None
    opened = service.ask("POST", f"{root}/sandboxes", {"api_key": key}) if key else None
    told = opened.get("sandbox") if isinstance(opened, dict) else None
    sandbox = str(told.get("id")) if isinstance(told, dict) else "server" if key else "anonymous"
    clock = told.get("clock") if isinstance(told, dict) else service.ask("GET", f"{root}/sandboxes/{sandbox}/clock")
    if not isinstance(clock, dict) or seconds_of(clock.get("now")) is None:
        return None
    return Moving(service, root, clock, sandbox)


def advice(answer: Exchange, poll_after: str) -> float | None:
    """Seconds after which an answer wants to be asked again; None if it does not say."""
    with suppress(ValueError, TypeError, OverflowError):
        if poll_after and (milliseconds := answer.header(poll_after)):
            return _finite(float(milliseconds) / 1000)
        if after := answer.header("retry-after"):
            return _finite(float(after))
    with suppress(ValueError, TypeError, OverflowError):
        after, date = answer.header("retry-after"), answer.header("date")
        if after and date:
            return (parsedate_to_datetime(after) - parsedate_to_datetime(date)).total_seconds()
    return None


def _finite(seconds: float) -> float | None:
    return seconds if isfinite(seconds) else None


def seconds_of(instant: Any) -> float | None:
    """An RFC 3339 instant in seconds since the epoch; None for what is none."""
    try:
        return datetime.fromisoformat(instant).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
