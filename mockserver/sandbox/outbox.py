"""What is to be told to webhooks: the ends of jobs, when they fall due on the sandbox's clock.

Nothing here sends. Jobs are watched until they end; an end becomes an event, an event a delivery to each endpoint that
wants it, and a delivery is tried until it has arrived or is given up. All of it is worked out from instants, so that a
clock which is moved forward by a day makes the same deliveries, in the same order, as one that ran for a day.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from heapq import heappop, heappush
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from mockserver.errors import DeclarationError
from mockserver.instants import write_instant
from mockserver.jobs.job import Job
from mockserver.plans.reading import as_choice, as_map, as_text
from mockserver.plans.scenario import LATE, WEBHOOK_FAULTS
from mockserver.signing import SECRET, is_secret

if TYPE_CHECKING:
    from mockserver.sandbox.sandbox import Account, Sandbox

MAX_ENDPOINTS = 20  # of a sandbox, and of the server
MAX_DELIVERIES = 1000  # of a sandbox that are kept; the oldest that is done with makes room
MAX_CALLBACKS = 5  # addresses that one request may name
MAX_URL = 2000  # characters
MAX_EVENT = 128  # characters of an event's name
MAX_EVENTS = 64  # names of events that an endpoint may ask for
# Seconds from one attempt to the next: the schedule that the Standard Webhooks specification gives as an example, up to
# its sixth wait. After the last one a delivery is given up.
BACKOFF = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0)
GONE = 410  # the receiver wants no more (Standard Webhooks, "Operational considerations")
SERVER_SCOPE = "server"  # of the endpoints that all sandboxes share
CALLBACK = "callback"  # stands for an endpoint where the request itself named the address
_ENDPOINT_KEYS = {"url", "secret", "events", "faults"}
_NETLOC = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:]*)(:\d*)?")


class Event(NamedTuple):
    """What is told of a job's end: an id that stays the same over all attempts, a name, and the JSON body."""

    id: str
    type: str
    body: bytes


# The event of a job's end, at that instant: (job, instant, site or '', id, name of the contract's callback or '').
# None: the contract has no word for this end, so nothing is told of it.
Tell = Callable[[Job, float, str, str, str], Event | None]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where events are sent. `events` are those that are wanted (none: all); `faults` happen to each delivery."""

    id: str
    url: str
    secret: str = field(repr=False)
    events: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    def wants(self, type: str) -> bool:
        """Whether events of a name are sent there."""
        return not self.events or type in self.events

    @property
    def as_data(self) -> dict[str, Any]:
        """Plain data, without the secret."""
        return {"id": self.id, "url": self.url, "events": list(self.events), "faults": list(self.faults)}


class Callback(NamedTuple):
    """An address that a request named: `secret` None is the sandbox's own, `name` that of the contract's callback."""

    url: str
    secret: str | None = None
    name: str = ""
    ends: frozenset[str] = frozenset()  # the states of which it is told; none: all


class Attempt(NamedTuple):
    """One attempt to deliver: when on the machine and on the sandbox's clock, and the status, or why there is none."""

    real: float
    now: float
    status: int | None
    error: str = ""

    @property
    def as_data(self) -> dict[str, Any]:
        """Plain data: instants as RFC 3339."""
        return {
            "real_time": write_instant(self.real),
            "virtual_time": write_instant(self.now),
            "status": self.status,
            "error": self.error,
        }


@dataclass(slots=True)
class Delivery:
    """An event on its way to one address.

    `state` is waiting, delivered, failed, or refused (the address may not be sent to). `due` is the instant of the next
    attempt, infinite if there is none. `copies` is how many times it has to arrive still; `reason` why it did not.
    """

    id: str
    event: Event
    endpoint: str
    url: str
    secret: str = field(repr=False)
    provider: str
    job: str
    made: float
    due: float
    faults: frozenset[str] = frozenset()
    state: str = "waiting"
    copies: int = 1
    retries: int = 0
    reason: str = ""
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def as_data(self) -> dict[str, Any]:
        """Plain data: instants as RFC 3339, null where there is none."""
        return {
            "id": self.id,
            "event": self.event.type,
            "webhook_id": self.event.id,
            "endpoint": self.endpoint,
            "url": self.url,
            "provider": self.provider,
            "job": self.job,
            "state": self.state,
            "reason": self.reason,
            "faults": sorted(self.faults),
            "occurred": write_instant(self.made),
            "due": write_instant(self.due) if self.due < inf else None,
            "attempts": [attempt.as_data for attempt in self.attempts],
        }


@dataclass(slots=True)
class Watch:
    """A job that somebody wants to hear of. `site` is the absolute URL that its links hang below ('' if unknown)."""

    ended: float
    site: str
    callbacks: tuple[Callback, ...] = ()


Key = tuple[str, str]  # a provider's name, a job's id


class Outbox:
    """Endpoints, the jobs that are watched for them, and deliveries, oldest first."""

    def __init__(self, scope: str = "") -> None:
        """`scope` is what the ids and secrets of endpoints are told apart by: those of the server from a sandbox's."""
        self.scope = scope
        self.endpoints: dict[str, Endpoint] = {}
        self.watches: dict[Key, Watch] = {}
        self.kept: dict[str, Delivery] = {}
        self._ends: list[tuple[float, int, Key]] = []  # a heap; what no longer holds is passed over
        self._queue: list[tuple[float, int, str]] = []  # the same, of deliveries
        self._held: dict[str, str] = {}  # by endpoint: the delivery that lets the next one overtake it
        self._number = 0  # of what was put into a heap: of two that are due at once the first comes first
        self._posted = 0

    # -- endpoints ----------------------------------------------------------------------------------

    def add(self, endpoint: Endpoint) -> None:
        """Send events to an endpoint from now on. Raises DeclarationError if there are too many."""
        if len(self.endpoints) >= MAX_ENDPOINTS:
            raise DeclarationError(f"endpoint: there are {MAX_ENDPOINTS} already; remove one first.")
        self.endpoints[endpoint.id] = endpoint

    def free_id(self) -> str:
        """The id that the next endpoint gets."""
        prefix = f"we_{self.scope}_" if self.scope == SERVER_SCOPE else "we_"
        return next(id for n in range(1, MAX_ENDPOINTS + 2) if (id := f"{prefix}{n}") not in self.endpoints)

    def has(self, id: str, url: str) -> bool:
        """Whether events are still sent to an endpoint."""
        found = self.endpoints.get(id)
        return found is not None and found.url == url

    # -- what is to come ----------------------------------------------------------------------------

    def watch(self, provider: str, job: Job, site: str, callbacks: tuple[Callback, ...] = ()) -> None:
        """Tell of a job when it ends."""
        key = provider, job.id
        known = self.watches.get(key)
        if known is not None:
            callbacks = (*known.callbacks, *callbacks)
            site = known.site or site
        self.watches[key] = Watch(job.timeline.ended, site, callbacks)
        self._expect(key, job.timeline.ended)

    def changed(self, account: "Account", job: Job) -> bool:
        """Take up the new end of a job; False if it is not watched."""
        key = account.provider, job.id
        watch = self.watches.get(key)
        if watch is None:
            return False
        if watch.ended != job.timeline.ended:
            watch.ended = job.timeline.ended
            self._expect(key, watch.ended)
        return True

    def _expect(self, key: Key, end: float) -> None:
        if end < inf:
            self._number += 1
            heappush(self._ends, (end, self._number, key))

    def next_due(self) -> float:
        """When there is something to do next, on the sandbox's clock; infinity for never."""
        return min(self._next_end(), self._next_delivery())

    def _next_end(self) -> float:
        ends = self._ends
        while ends:
            end, _, key = ends[0]
            watch = self.watches.get(key)
            if watch is not None and watch.ended == end:
                return end
            heappop(ends)
        return inf

    def _next_delivery(self) -> float:
        queue = self._queue
        while queue:
            due, _, id = queue[0]
            delivery = self.kept.get(id)
            if delivery is not None and delivery.state == "waiting" and delivery.due == due:
                return due
            heappop(queue)
        return inf

    def take_end(self) -> tuple[Key, Watch]:
        """The job that ends next, no longer watched. Only after `_next_end` has looked."""
        _, _, key = heappop(self._ends)
        return key, self.watches.pop(key)

    def take_delivery(self) -> Delivery:
        """The delivery that is due next, to be tried now. Only after `_next_delivery` has looked."""
        _, _, id = heappop(self._queue)
        return self.kept[id]

    # -- deliveries ---------------------------------------------------------------------------------

    def post(
        self, event: Event, endpoint: str, url: str, secret: str, key: Key, at: float, faults: frozenset[str],
        refused: str = "",
    ) -> Delivery:  # fmt: skip
        """Put an event on its way. `refused` is why the address may not be sent to."""
        self._make_room()
        self._posted += 1
        made = Delivery(
            f"dlv_{self._posted}", event, endpoint, url, secret, *key, at, at, faults, copies=1 + ("twice" in faults)
        )
        self.kept[made.id] = made
        if refused:
            made.state, made.due, made.reason = "refused", inf, refused
        elif "never" in faults:
            made.state, made.due, made.reason = "failed", inf, "not sent: the delivery fault 'never'"
        else:
            made.due = at + LATE if "late" in faults else at
            if "out-of-order" in faults and endpoint not in self._held:
                self._held[endpoint] = made.id
                made.due += LATE
            self._enqueue(made)
        return made

    def _make_room(self) -> None:
        """Let the oldest delivery go that is done with, or the oldest of all if none is."""
        if len(self.kept) >= MAX_DELIVERIES:
            done = (d.id for d in self.kept.values() if d.state != "waiting")
            del self.kept[next(done, next(iter(self.kept)))]

    def _enqueue(self, delivery: Delivery) -> None:
        self._number += 1
        heappush(self._queue, (delivery.due, self._number, delivery.id))

    def note(self, delivery: Delivery, attempt: Attempt) -> None:
        """What came of an attempt: it has arrived, is tried again after a while, or is given up."""
        delivery.attempts.append(attempt)
        if self.kept.get(delivery.id) is not delivery:
            return  # forgotten meanwhile
        status = attempt.status
        if status is not None and 200 <= status < 300:
            delivery.copies -= 1
            delivery.state = "waiting" if delivery.copies > 0 else "delivered"
            delivery.due = attempt.now if delivery.copies > 0 else inf
        elif status == GONE or delivery.retries >= len(BACKOFF):
            self.give_up(delivery, "the receiver wants no more (410)" if status == GONE else "the last attempt failed")
        else:
            delivery.due = attempt.now + BACKOFF[delivery.retries]
            delivery.retries += 1
        if delivery.state == "waiting":
            self._enqueue(delivery)
        self._let_follow(delivery, attempt.now)

    def give_up(self, delivery: Delivery, reason: str) -> None:
        """Try no more."""
        delivery.state, delivery.due, delivery.reason = "failed", inf, reason

    def _let_follow(self, sent: Delivery, at: float) -> None:
        """Send what was held until something overtook it."""
        held = self.kept.get(self._held.get(sent.endpoint, ""))
        if held is None or held is sent:
            self._held.pop(sent.endpoint, None)
        elif held.state == "waiting" and held.made <= sent.made:
            del self._held[sent.endpoint]
            if not held.attempts and at < held.due:
                held.due = at
                self._enqueue(held)

    def forget_events(self) -> None:
        """Forget jobs and deliveries; the endpoints stay."""
        self.watches.clear()
        self.kept.clear()
        self._ends.clear()
        self._queue.clear()
        self._held.clear()
        self._number = self._posted = 0

    def deliveries(self) -> list[dict[str, Any]]:
        """All deliveries that are kept as plain data, oldest first."""
        return [delivery.as_data for delivery in self.kept.values()]


def next_delivery(sandbox: "Sandbox", until: float) -> Delivery | None:
    """The next delivery to be tried that is due by an instant. Ends of jobs that come before it become deliveries."""
    outbox = sandbox.outbox
    while True:
        end, due = outbox._next_end(), outbox._next_delivery()
        if min(end, due) > until or min(end, due) == inf:
            return None
        if end <= due:
            tell_end(sandbox, *outbox.take_end())
            continue
        delivery = outbox.take_delivery()
        if delivery.endpoint == CALLBACK or any(
            source.outbox.has(delivery.endpoint, delivery.url) for source in sandbox.sources
        ):
            return delivery
        outbox.give_up(delivery, "the endpoint was removed")


def tell_end(sandbox: "Sandbox", key: Key, watch: Watch, job: Job | None = None) -> None:
    """Make deliveries of the end of a job. A job that was deleted tells nothing."""
    provider, id = key
    account = sandbox.accounts.get(provider)
    job = job or (account.store.get(id) if account else None)
    tell = sandbox.registry.tellers.get(provider)
    if job is None or tell is None or job.timeline.ended == inf:
        return
    at, outbox = job.timeline.ended, sandbox.outbox
    lived = round(at - job.timeline.created, 3)  # a job that is forced to an end can have several
    event_id = f"evt_{_digest(f'{sandbox.secret_seed}/{provider}/{id}/{job.timeline.outcome}/{lived}', 16).hex()}"
    planned = _planned_faults(sandbox, job)
    event = tell(job, at, watch.site, event_id, "")
    for source in sandbox.sources if event else ():
        for endpoint in source.outbox.endpoints.values():
            if event and endpoint.wants(event.type):
                faults = planned | frozenset(endpoint.faults)
                outbox.post(event, endpoint.id, endpoint.url, endpoint.secret, key, at, faults)
    for callback in watch.callbacks:
        if callback.ends and job.timeline.outcome not in callback.ends:
            continue
        told = tell(job, at, watch.site, event_id, callback.name) if callback.name else event
        if told is not None:
            refused = why_refused(callback.url, sandbox.registry.webhook_hosts)
            secret = callback.secret if callback.secret is not None else own_secret(sandbox.secret_seed)
            outbox.post(told, CALLBACK, callback.url, secret, key, at, planned, refused)


def _planned_faults(sandbox: "Sandbox", job: Job) -> frozenset[str]:
    """The delivery faults of the scenarios that a job follows."""
    known = (sandbox.scenarios.get(name) for name in job.scenarios)
    return frozenset(s.job.webhook for s in known if s and s.job and s.job.webhook)


# -- reading ----------------------------------------------------------------------------------------


def read_endpoint(
    data: Any, outbox: Outbox, allowed_hosts: frozenset[str], seed: object, where: str = "endpoint"
) -> Endpoint:
    """An endpoint of plain data: `url`, and if wanted `secret`, `events` and `faults`; still to be added.

    Its id is the next one of the outbox; without a secret one is made of the seed and the id. Raises DeclarationError
    for an unknown key, an address that may not be sent to (see `why_refused`), a secret in another form, or a fault
    that is not known.
    """
    entry = as_map(data, _ENDPOINT_KEYS, where)
    url = as_text(entry.get("url"), f"{where}.url", MAX_URL)
    if refused := why_refused(url, allowed_hosts):
        raise DeclarationError(f"{where}.url: {refused}")
    secret = entry.get("secret")
    if secret is not None and not is_secret(secret):
        raise DeclarationError(f"{where}.secret: expected {SECRET} and base64 of 24 to 64 bytes.")  # it is not shown
    events = _texts(entry.get("events"), f"{where}.events")
    faults = _texts(entry.get("faults"), f"{where}.faults")
    for fault in faults:
        as_choice(fault, WEBHOOK_FAULTS, f"{where}.faults")
    id = outbox.free_id()
    return Endpoint(id, url, secret or own_secret(f"{seed}/{outbox.scope}/{id}"), events, faults)


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_EVENTS:
        raise DeclarationError(f"{where}: expected a list of at most {MAX_EVENTS} texts.")
    return tuple(dict.fromkeys(as_text(each, f"{where}[{n}]", MAX_EVENT) for n, each in enumerate(value)))


def own_secret(seed: str) -> str:
    """The secret that a seed gives: the same for the same seed."""
    return SECRET + b64encode(_digest(f"{seed}/secret", 24)).decode()


def other_secret(secret: str) -> str:
    """Another secret than this one, to sign wrongly with."""
    return own_secret(f"not {secret}")


def _digest(text: str, size: int) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size, person=b"webhooks").digest()


def why_refused(url: str, allowed_hosts: Iterable[str] = ()) -> str:
    """Why nothing is sent to an address; '' if it may be.

    Only http and https, and only this machine (127.0.0.0/8, ::1, localhost) unless the host is allowed by its name.
    An address that two readers could understand in two ways is refused too.
    """
    shown = url if len(url) <= 100 else f"{url[:97]}..."
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return f"{shown!r} is no plain URL of at most {MAX_URL} printable ASCII characters without spaces."
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return f"{shown!r} is no URL."
    if parts.scheme not in ("http", "https"):
        return f"{shown!r} does not begin with http:// or https://."
    if "@" in parts.netloc:
        return f"{shown!r} holds a user name; nothing is sent with one."
    if not _NETLOC.fullmatch(parts.netloc):
        return f"{shown!r} is no URL."
    if port == 0 or not host:
        return f"{shown!r} names no host, or the port 0."
    if is_local(host) or host in {name.lower() for name in allowed_hosts}:
        return ""
    return (
        f"{shown!r} leads to {host[:100]!r}: webhooks are sent to this machine alone (127.0.0.0/8, ::1, localhost), "
        "and to hosts that are allowed by name (--webhook-host)."
    )


def is_local(host: str) -> bool:
    """Whether a host is this machine, whoever resolves its name."""
    if host == "localhost":
        return True
    try:
        from ipaddress import ip_address  # seldom needed

        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback and not getattr(address, "ipv4_mapped", None)
