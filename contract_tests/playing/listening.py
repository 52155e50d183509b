"""A receiver of webhooks that listens while a service is played with, and what the play has to know of it.

What arrives is kept within limits, answered, and looked at where that can only be done on arrival: its signature.
Whoever posts here is not trusted: nothing that comes can stop the play, or make it wait.
"""

import asyncio
import re
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlunsplit

from contract_tests.contract import ContractUnderTest
from contract_tests.history import Exchange, History, Listening, Purpose, Signature
from contract_tests.playing.calls import Asking, Calls, placed
from contract_tests.playing.pace import Moving, Pace
from contract_tests.playing.target import Service, is_loopback, parts_of
from contract_tests.promising import (
    CALLBACK,
    Promise,
    called_back,
    has_places,
    job_named,
    number_asked,
    number_in,
    places,
    registered,
    tells_of_ends,
)
from contract_tests.promising import body_of as read_body
from mockserver.errors import MockserverError
from mockserver.jobs.lifecycle import State
from mockserver.jobs.resource import STARTS, JobOperation, JobResource
from mockserver.openapi.schema import union_of
from mockserver.realtime import fresh_token, steady_time
from mockserver.signing import SECRET, SIGNED, Verify, is_broken_secret, is_secret, verifier

MOST = 500  # deliveries that are kept; what comes later is told to come again, and counted
MOST_BODY = 1 << 20  # bytes of one
MOST_KEPT = 16 << 20  # bytes of all
LITTLE = 4096  # bytes that are kept of one that is too large
MOST_HEADERS = 60
MOST_HEADER = 2000  # characters
SECONDS = 10.0  # for one to arrive
TOLERANCE = 300.0  # seconds between the time that a delivery tells and its arrival (Standard Webhooks)
STEP = 0.1  # seconds between two looks
AT_LAST = 0.3  # seconds at the end of a play for what comes a second time
# The simulator's clock is moved so far, in such steps, for what has not come: what is late is told from what is lost.
MOVED, MOVED_BY = 600.0, 30.0
_PIECE = re.compile(r"v\d\w*,[A-Za-z0-9+/]+=*")
_REFUSED = (400, 403, 422)  # what a service says that does not like an address


class ListenError(MockserverError):
    """Webhooks cannot be listened for as it was asked for."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """How to listen: `listen` is HOST:PORT ('' for this machine and a free port), `url` how the service reaches that,
    `secret` what it signs with; `patience` is how many seconds are waited for what has not come."""

    listen: str = ""
    url: str = ""
    secret: str = field(default="", repr=False)
    patience: float = 10.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request as it came, and what was answered."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    at: float
    status: int
    signature: str


# -- the server -------------------------------------------------------------------------------------


class Receiver:
    """A server that keeps what is posted to it, in a thread of its own. Raises ListenError if it cannot listen."""

    def __init__(self, listen: str = "") -> None:
        host, port = address_of(listen or "127.0.0.1:0")
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._socket = socket.create_server((host, port), family=family)
        except (OSError, OverflowError, UnicodeError, TypeError) as error:  # a name that is none is refused as text
            raise ListenError(f"cannot listen for webhooks on {listen or host}: {error}.") from None
        name, taken = self._socket.getsockname()[:2]
        name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(name, name)
        self.url = f"http://{f'[{name}]' if ':' in name else name}:{taken}"
        self.lost = 0
        self.secrets: dict[str, str] = {}  # by the number of the create ('': the registered address)
        self._verifiers: dict[str, Verify] = {}
        self._kept = self._count = 0
        self._arrived: list[Arrival] = []
        self._lock = threading.Lock()
        self._server = self._made()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._thread.start()

    def take(self) -> list[Arrival]:
        """What has arrived since this was last asked."""
        with self._lock:
            arrived, self._arrived = self._arrived, []
        return arrived

    def close(self) -> None:
        """Listen no more."""
        self._server.should_exit = True
        self._thread.join(3.0)
        self._socket.close()

    def _made(self) -> Any:
        import uvicorn

        return uvicorn.Server(
            uvicorn.Config(
                self._answer,
                http="h11",  # which has a limit for headers
                interface="asgi3",
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                date_header=False,
                limit_concurrency=200,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=1,
            )
        )

    def _run(self) -> None:
        async def serve() -> None:
            # What a sender does to its connection is no news, and nothing to be printed.
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
            await self._server.serve(sockets=[self._socket])

        asyncio.run(serve())

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        status = 408
        try:
            async with asyncio.timeout(SECONDS):
                body, is_whole = await self._body(receive)
        except TimeoutError:
            pass
        else:
            if body is None:
                return  # its sender has gone
            status = self._keep(scope, body, is_whole)
        headers = [] if status == 204 else [(b"content-length", b"0"), (b"connection", b"close")]
        if status == 503:
            headers.append((b"retry-after", b"60"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _body(self, receive: Any) -> tuple[bytes | None, bool]:
        pieces: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None, False
            piece = message.get("body", b"")
            size += len(piece)
            if size > MOST_BODY:
                return b"".join([*pieces, piece])[:LITTLE], False
            pieces.append(piece)
            if not message.get("more_body"):
                return b"".join(pieces), True

    def _keep(self, scope: Any, body: bytes, is_whole: bool) -> int:
        """Keep a request; the status that it is answered with."""
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return 204  # somebody looks whether there is anybody
        if self._count >= MOST or self._kept + len(body) > MOST_KEPT:
            self.lost += 1
            return 503
        path = scope.get("raw_path", b"").decode("latin-1")[:MOST_HEADER]
        query = scope.get("query_string", b"").decode("latin-1")[:MOST_HEADER]
        headers = tuple(
            (name.decode("latin-1")[:MOST_HEADER], value.decode("latin-1")[:MOST_HEADER])
            for name, value in scope["headers"][:MOST_HEADERS]
        )
        status, signature = 204, self._signature(path, dict(headers), body)
        if not is_whole:
            status, signature = 413, f"{Signature.UNKNOWN}: a body of more than {MOST_BODY:,} bytes is not read"
        url = f"{self.url}{path}{f'?{query}' if query else ''}"
        with self._lock:
            self._count += 1
            self._kept += len(body)
            self._arrived.append(Arrival(scope["method"], url, headers, body, steady_time(), status, signature))
        return status

    def _signature(self, path: str, headers: Mapping[str, str], body: bytes) -> str:
        secret = self.secrets.get(number_in(path), "")
        if secret and secret not in self._verifiers:
            self._verifiers[secret] = verifier(secret)
        found = signature_of(headers, body, self._verifiers.get(secret), steady_time())
        return f"{found}, and a secret was agreed on" if found == Signature.NONE and secret else found


def signature_of(headers: Mapping[str, str], body: bytes, verify: Verify | None, now: float) -> str:
    """What the signature of a delivery is, by its headers (names in lower case); see `Signature`."""
    missing = [name for name in SIGNED if not headers.get(name)]
    if len(missing) == len(SIGNED):
        return Signature.NONE
    if missing:
        return f"{Signature.WRONG}: {' and '.join(missing)} not there"
    if not re.fullmatch(r"\d{1,12}", headers[SIGNED[1]]):
        return f"{Signature.WRONG}: {SIGNED[1]} is no number of seconds"
    if abs(float(headers[SIGNED[1]]) - now) > TOLERANCE:
        return f"{Signature.WRONG}: {SIGNED[1]} is more than {TOLERANCE / 60:g} minutes from now"
    if not all(_PIECE.fullmatch(piece) for piece in headers[SIGNED[2]].split(" ")):
        return f"{Signature.WRONG}: {SIGNED[2]} does not look like `v1,` and base64"
    if verify is None:
        return f"{Signature.UNKNOWN}: no secret is known"
    problem = verify(body, headers)
    return f"{Signature.WRONG}: {problem}" if problem else Signature.RIGHT


def address_of(listen: str) -> tuple[str, int]:
    """Host and port of HOST:PORT. Raises ListenError."""
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or int(port[:6]) > 65535:
        raise ListenError(f"found {listen[:80]!r}, expected HOST:PORT to listen for webhooks on (127.0.0.1:4848).")
    return host, int(port)


def fresh_secret() -> str:
    """A secret to sign with that nobody has."""
    return f"{SECRET}{b64encode(fresh_token().encode()).decode()}"


def below(url: str, path: str) -> str:
    """An address below another one, whose query stays."""
    parts = parts_of(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{path}"))


# -- what the play knows ----------------------------------------------------------------------------


@dataclass(slots=True)
class _Expected:
    """A job whose end is to be told: which ends, and under which number if its create named an address."""

    promises: Mapping[State, Promise]
    number: str


class Ear:
    """The receiver of one play: told to the service, listened to, and waited for."""

    def __init__(self, contract: ContractUnderTest, service: Service, hearing: Hearing, history: History) -> None:
        """Listens, if there is anything to be heard. Raises ListenError where that was asked for and cannot be."""
        self._contract, self._service, self._hearing, self._history = contract, service, hearing, history
        self._receiver: Receiver | None = None
        self._expected: dict[str, _Expected] = {}
        self._in_vain: set[str] = set()  # jobs that were waited for as long as it was to be
        self._named = 0  # creates that named an address
        self._takes_addresses = True
        if not tells_of_ends(contract):
            return
        if history.read_only:
            self._not("read-only: nothing is created")
        elif not hearing.url and not is_loopback(service.base_url):
            self._not("the service cannot reach this machine; give an address that leads here by --webhook-url")
        else:
            if is_broken_secret(hearing.secret):
                raise ListenError(
                    f"the secret of webhooks begins with {SECRET}, and no base64 of 24 to 64 bytes follows."
                )
            try:
                self._receiver = Receiver(hearing.listen)
            except ListenError as error:
                if hearing.listen:
                    raise
                self._not(str(error))
        if self._receiver is not None:
            self.url = hearing.url or self._receiver.url
            self._secret = hearing.secret or fresh_secret()
            self._receiver.secrets[""] = hearing.secret

    def begin(self, pace: Pace) -> None:
        """Let the service know where to send, as far as it can be told before a job is created."""
        receiver = self._receiver
        if receiver is None:
            return
        kinds = self._contract.resources
        is_registered = bool(self._hearing.url)  # by the user, who knows how
        if any(registered(self._contract, kind) and not has_places(self._contract, kind) for kind in kinds):
            if isinstance(pace, Moving):
                secret = self._secret if is_secret(self._secret) else fresh_secret()
                receiver.secrets[""] = secret
                is_registered = pace.tell(self.url, secret)
            if not is_registered and not any(has_places(self._contract, kind) for kind in kinds):
                self._not(
                    "nobody told the service where to send; register an address with it, and give it by --webhook-url"
                )
                self.close()
                return
        waited = MOVED if pace.is_simulator else self._hearing.patience
        self._history.listening = Listening(self.url, is_registered, waited)

    def asking(self, resource: JobResource, part: JobOperation, asking: Asking, calls: Calls) -> Asking:
        """A request that starts a job, with an address of ours where it has a place for one."""
        receiver = self._receiver
        if receiver is None or not self._takes_addresses:
            return asking
        number = str(self._named + 1)
        named = self._naming(resource, part, asking, calls, below(self.url, f"{CALLBACK}/{number}"), number)
        self._named += named is not asking
        return named

    def _naming(
        self, resource: JobResource, part: JobOperation, asking: Asking, calls: Calls, url: str, number: str
    ) -> Asking:
        assert self._receiver is not None
        secret = self._hearing.secret
        for place in places(self._contract, resource, part):
            if place.source == "query":
                asking = replace(asking, query={**asking.query, place.pointer[0]: url})
            elif place.source == "header":
                asking = replace(asking, headers=(*asking.headers, (place.pointer[0], url)))
            elif isinstance(asking.body, dict) and asking.media_type:
                schema = part.operation.body[asking.media_type].get("schema") or {}
                if place.pointer[0] not in union_of(self._contract.document, schema).properties:
                    continue
                values: list[tuple[Any, str]] = [(url, ""), ([url], "")]
                if place.secret:
                    values = [(url, self._secret), ([url], self._secret), *values]
                for value, key in values:
                    body = placed(asking.body, place.pointer, value)
                    body = placed(body, place.secret, key) if place.secret and key else body
                    if calls.bodies.is_valid(schema, body):
                        asking, secret = replace(asking, body=body), key or secret
                        break
        self._receiver.secrets[number] = secret
        return asking

    def is_refused(self, exchange: Exchange | None) -> bool:
        """Whether a request that named our address was refused in a way that can be meant for the address."""
        return exchange is not None and exchange.status in _REFUSED and bool(number_asked(exchange))

    def name_no_more(self, refused: Exchange, status: int) -> None:
        """Go on without addresses in requests: the same one was served without. The refused one is no valid create."""
        self._takes_addresses = False
        exchanges = self._history.exchanges
        at = next(i for i, each in enumerate(exchanges) if each is refused)
        exchanges[at] = replace(refused, purpose=Purpose.ODD_INPUT, detail="an address of ours to be told of the end")
        why = f"a create that named our address was refused with {status}"
        self._history.skipped[Purpose.WEBHOOK] = f"{why}; --webhook-url gives another address"

    def expect(self, id: str, resource: JobResource, part: JobOperation, create: Exchange) -> None:
        """Remember a job that was created."""
        listening = self._history.listening
        if listening is None or part.action not in STARTS:
            return
        if number := number_asked(create):
            self._expected[id] = _Expected(called_back(self._contract, resource, part), number)
        elif listening.is_registered:
            self._expected[id] = _Expected(registered(self._contract, resource), "")
        self._name_jobs()  # one may have come before its create was answered

    def hear(self, now: Callable[[], float] | None = None) -> None:
        """Put what has arrived into the history, after all that was sent before. `now` is the service's own time."""
        arrived = self._receiver.take() if self._receiver else []
        if not arrived:
            return
        instant = now() if now else None
        for each in arrived:
            self._service.sent += 1
            exchange = Exchange(
                number=self._service.sent,
                purpose=Purpose.WEBHOOK,
                operation="",
                action="",
                method=each.method,
                url=each.url,
                request_headers=each.headers,
                request_body=each.body,
                status=each.status,
                headers=(),
                body=b"",
                started=each.at if instant is None else instant,
                seconds=0.0,
                detail=each.signature,
            )
            named = job_named(self._contract, read_body(exchange), self._expected)
            self._history.exchanges.append(replace(exchange, job=named))

    def missing(self, ended: Iterable[tuple[str, State | None]]) -> list[str]:
        """The jobs of those that have ended of which nothing has come yet, and that are worth waiting for."""
        heard = [each for each in self._history.exchanges if each.purpose == Purpose.WEBHOOK]
        jobs, numbers = {each.job for each in heard}, {number_in(parts_of(each.url).path) for each in heard}
        return [
            id
            for id, state in ended
            if (known := self._expected.get(id)) and id not in self._in_vain and state in known.promises
            and not (known.number in numbers if known.number else id in jobs)
        ]  # fmt: skip

    def wait(self, ended: list[tuple[str, State | None]], pace: Pace, at_last: bool = False) -> None:
        """Wait for what has not come of jobs that have ended; it has an end. Our simulator has told all that is due
        when its clock has moved, so that clock is moved on at last."""
        if self._history.listening is None:
            return
        now = pace.now if pace.is_simulator else None
        self.hear(now)
        if pace.is_simulator:
            moved = 0.0
            while at_last and moved < MOVED and self.missing(ended):
                pace.let_pass(MOVED_BY)
                self._service.wait(STEP / 10)  # a clock that moves with polls delivers when it likes
                moved += MOVED_BY
                self.hear(now)
            return
        until = steady_time() + self._hearing.patience
        while (left := self.missing(ended)) and steady_time() < until:
            self._service.wait(STEP)
            self.hear(now)
        self._in_vain.update(left)
        if at_last:
            self._service.wait(AT_LAST)
            self.hear(now)

    def give_up(self, why: str) -> None:
        """Judge no webhooks, since they could not be waited for."""
        if self._history.listening is not None:
            self._history.listening = None
            self._not(why)

    def close(self) -> None:
        """Listen no more."""
        receiver, self._receiver = self._receiver, None
        if receiver is None:
            return
        receiver.close()
        if self._history.listening is not None:
            self._history.listening = replace(self._history.listening, lost=receiver.lost)

    def _name_jobs(self) -> None:
        """Tell of which job a delivery is, where that is not known yet."""
        exchanges = self._history.exchanges
        for at, each in enumerate(exchanges):
            if each.purpose == Purpose.WEBHOOK and not each.job:
                exchanges[at] = replace(each, job=job_named(self._contract, read_body(each), self._expected))

    def _not(self, why: str) -> None:
        self._history.skipped[Purpose.WEBHOOK] = why
