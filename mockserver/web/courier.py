"""The courier: sends what the outboxes hold, when it falls due, and nothing that nobody asked for."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from math import inf
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from mockserver import __version__
from mockserver.sandbox.outbox import Attempt, Delivery, next_delivery, other_secret, why_refused
from mockserver.sandbox.sandbox import Sandbox, Sandboxes
from mockserver.signing import is_secret

if TYPE_CHECKING:
    import httpx2

SECONDS = 5.0  # of the machine, for one attempt from the connection to the status
MAX_READ = 4096  # bytes of an answer's body, which says nothing; the rest is left where it is
MAX_PAUSE = 3600.0  # seconds of the machine until the clocks are looked at again, whatever falls due
MAX_ERROR = 300  # characters


class Courier:
    """Sends deliveries, each sandbox's in order; sandboxes do not wait for each other.

    There is one task that sleeps until something falls due on a running clock, and it ends when nothing will. What
    falls due on a clock that is moved is delivered by `settle`.
    """

    def __init__(self, sandboxes: Sandboxes) -> None:
        self._sandboxes = sandboxes
        self._busy: set[Sandbox] = set()  # those that have something to tell
        self._locks: WeakKeyDictionary[Sandbox, asyncio.Lock] = WeakKeyDictionary()
        self._rounds: dict[Sandbox, asyncio.Task[None]] = {}
        self._bell: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.Task[None] | None = None
        self._client: httpx2.AsyncClient | None = None
        sandboxes.ring = self.ring

    def ring(self, sandbox: Sandbox) -> None:
        """Look at a sandbox: something falls due there at another time than before. May be called at any time."""
        self._busy.add(sandbox)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # nobody to wake: `settle` will find it
        self._settle_in(loop)
        if self._bell is None or self._timer is None or self._timer.done():
            self._bell = asyncio.Event()
            self._timer = loop.create_task(self._keep_time(self._bell))
        self._bell.set()

    async def settle(self, sandbox: Sandbox, until: float | None = None) -> None:
        """Deliver all that falls due by an instant on a sandbox's clock (None: by now), in order, and return then.

        Retries that fall due meanwhile are made too, at the instants at which they would have been made.
        """
        self._settle_in(asyncio.get_running_loop())
        async with self._locks.setdefault(sandbox, asyncio.Lock()):
            instant = sandbox.now() if until is None else until
            while (delivery := next_delivery(sandbox, instant)) is not None:
                await self._attempt(sandbox, delivery, delivery.due)
        if sandbox.outbox.next_due() < inf:
            self.ring(sandbox)

    async def settle_all(self, sandboxes: Iterable[Sandbox]) -> None:
        """The same for several sandboxes, each by its own clock, side by side."""
        self._settle_in(asyncio.get_running_loop())
        due = [each for each in sandboxes if each in self._rounds or each.outbox.next_due() <= each.now()]
        await asyncio.gather(*(self.settle(sandbox) for sandbox in due))

    async def stop(self) -> None:
        """Send nothing more, and let go of all connections."""
        tasks = [task for task in (self._timer, *self._rounds.values()) if task is not None and not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
        self._timer, self._bell, self._client = None, None, None
        self._rounds.clear()

    # -- when ---------------------------------------------------------------------------------------

    def _settle_in(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin anew if this is another loop than before, to which tasks, locks and connections belong."""
        if loop is not self._loop:
            self._loop, self._bell, self._timer, self._client = loop, None, None, None
            self._locks.clear()
            self._rounds.clear()

    async def _keep_time(self, bell: asyncio.Event) -> None:
        while True:
            bell.clear()
            pause = self._begin_rounds()
            if pause == inf:
                return  # until it is rung for again
            try:
                async with asyncio.timeout(min(pause, MAX_PAUSE)):
                    await bell.wait()
            except TimeoutError:
                continue

    def _begin_rounds(self) -> float:
        """Begin to deliver what is due; gives the seconds of the machine until something falls due by itself."""
        pause = inf
        for sandbox in tuple(self._busy):
            due = sandbox.outbox.next_due()
            if due == inf:
                self._busy.discard(sandbox)
                continue
            if sandbox in self._rounds:
                continue  # it rings when it is done
            clock = sandbox.clock
            wait = due - clock.now()
            if wait <= 0:
                task = asyncio.get_running_loop().create_task(self._round(sandbox))
                self._rounds[sandbox] = task
                task.add_done_callback(partial(self._end_round, sandbox))
            elif clock.rate:
                pause = min(pause, wait / clock.rate + 0.001)
        return pause

    def _end_round(self, sandbox: Sandbox, task: "asyncio.Task[None]") -> None:
        if self._rounds.get(sandbox) is task:
            del self._rounds[sandbox]
        if task.cancelled():
            return
        if error := task.exception():
            raise error  # goes to the loop's handler, which tells of it
        if sandbox.outbox.next_due() < inf:
            self.ring(sandbox)

    async def _round(self, sandbox: Sandbox) -> None:
        """Deliver what is due by now. On a running clock an attempt is made now, however late; else when it was due."""
        async with self._locks.setdefault(sandbox, asyncio.Lock()):
            while (delivery := next_delivery(sandbox, sandbox.now())) is not None:
                runs = sandbox.clock.rate > 0
                await self._attempt(sandbox, delivery, sandbox.now() if runs else delivery.due)

    # -- how ----------------------------------------------------------------------------------------

    async def _attempt(self, sandbox: Sandbox, delivery: Delivery, at: float) -> None:
        """Try a delivery once, at an instant of the sandbox's clock, and note what came of it."""
        real = self._sandboxes.real()
        status, error = None, why_refused(delivery.url, self._sandboxes.webhook_hosts)
        if not error:
            try:
                async with asyncio.timeout(SECONDS):
                    status, error = await self._send(delivery, real)
            except TimeoutError:
                error = f"no answer within {SECONDS:g} seconds"
            except Exception as problem:  # whatever it is: the others are to be sent still
                error = _said(problem)
        sandbox.outbox.note(delivery, Attempt(real, at, status, error))

    async def _send(self, delivery: Delivery, real: float) -> tuple[int | None, str]:
        """The status of the answer, or what is wrong with it."""
        import httpx2

        if self._client is None:
            agent = {"user-agent": f"mockserver/{__version__}"}
            self._client = httpx2.AsyncClient(follow_redirects=False, trust_env=False, timeout=SECONDS, headers=agent)
        headers = {"content-type": "application/json", **signed(delivery, real)}
        try:
            async with self._client.stream(
                "POST", delivery.url, content=delivery.event.body, headers=headers
            ) as answer:
                read = 0
                async for chunk in answer.aiter_raw():
                    read += len(chunk)
                    if read >= MAX_READ:
                        break
        except (httpx2.HTTPError, httpx2.InvalidURL) as problem:
            return None, _said(problem)
        told = ""
        if not 200 <= answer.status_code < 300:
            is_redirect = 300 <= answer.status_code < 400
            told = f"answered {answer.status_code}" + (", and redirects are not followed" if is_redirect else "")
        return answer.status_code, told


def _said(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}"[:MAX_ERROR]


def signed(delivery: Delivery, real: float) -> dict[str, str]:
    """The headers of one attempt (Standard Webhooks): its id, the machine's time, since receivers compare it with
    their own, and the signature of both and the body.
    """
    from standardwebhooks import Webhook

    secret = other_secret(delivery.secret) if "bad-signature" in delivery.faults else delivery.secret
    # A request's own secret may be any text; only one in the form of the specification is base64.
    key: str | bytes = secret if is_secret(secret) else secret.encode("utf-8", "surrogatepass")
    at = datetime.fromtimestamp(int(real), UTC)
    return {
        "webhook-id": delivery.event.id,
        "webhook-timestamp": str(int(real)),
        "webhook-signature": Webhook(key).sign(delivery.event.id, at, delivery.event.body.decode()),
    }
