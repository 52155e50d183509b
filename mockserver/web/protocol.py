"""uvicorn's HTTP protocol with all that one turn of the event loop answers written together at its end.

uvicorn writes the head and the body of a response apart, and uvloop hands each to the system at once: two system
calls for each response, and a client that is woken for each while the next request waits. Measured with 32 connections
and small answers, gathering makes a request cost a third less; writing a whole response at once, without two messages
and two searches in each header, another eighth.
"""

import asyncio
import re
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from mockserver.message import Response
from mockserver.web.app import WHOLE_BODY, WRITE, Limits

# Clients of HTTP/2 offer it on their first request (Java's do by default). The offer is overlooked, as it may be:
# the parser would take the request's body for the other protocol's first words, and drop it.
_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)


_STEERING = bytes([*range(32), 127])  # must not stand in a header (RFC 9110, 5.5): it could end it
_OWN = {b"connection", b"transfer-encoding"}  # headers that say how a message is framed: uvicorn's to deal with


def write_whole(send: Any, method: str, response: Response) -> bool:
    """Write a response at once; False, and nothing is written, where it is out of the ordinary.

    It does what the two calls of `send` would have done, for a connection that is kept and a body of known length.
    """
    cycle = getattr(send, "__self__", None)
    if type(cycle) is not RequestResponseCycle or cycle.response_started or cycle.disconnected:
        return False
    if cycle.flow.write_paused or not cycle.keep_alive or cycle.access_log:
        return False
    status, headers, body, _ = response
    content = [STATUS_LINE[status]]
    told = 0
    length = b"0" if status in (204, 304) else b""
    for name, value in (*cycle.default_headers, *headers):
        if name == b"content-length":
            length = value
        elif name in _OWN:
            return False
        content += name, b": ", value, b"\r\n"
        told += 1
    if not length or (method != "HEAD" and int(length) != len(body)):
        return False
    content.append(b"\r\n")
    head = b"".join(content)
    if len(head) - len(head.translate(None, _STEERING)) != 2 * (told + 2):  # other than the ends of lines
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(head if method == "HEAD" else head + body)
    cycle.message_event.set()
    cycle.on_response()
    return True


class Outbox:
    """The transports that have something to send when this turn of the event loop ends."""

    def __init__(self) -> None:
        self.waiting: list[GatheringTransport] = []

    def flush(self) -> None:
        """Send it all."""
        waiting, self.waiting = self.waiting, []
        for transport in waiting:
            transport.flush()


class GatheringTransport:
    """A transport that keeps what is written until its outbox is flushed."""

    __slots__ = ("_loop", "_outbox", "_pieces", "_transport", "_write")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, outbox: Outbox) -> None:
        self._transport = transport
        self._write = transport.write
        self._loop = loop
        self._outbox = outbox
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._pieces:
            waiting = self._outbox.waiting
            if not waiting:
                self._loop.call_soon(self._outbox.flush)
            waiting.append(self)
        self._pieces.append(data)

    def flush(self) -> None:
        """Send what was written."""
        pieces, self._pieces = self._pieces, []
        if pieces and not self._transport.is_closing():
            self._write(b"".join(pieces))

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def gathering_protocol(limits: Limits) -> type[HttpToolsProtocol]:
    """A protocol class for one server, with an outbox of its own, that reads no endless head of a request."""
    outbox = Outbox()

    class GatheringProtocol(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(GatheringTransport(transport, self.loop, outbox))  # type: ignore[arg-type]
            self._head_bytes = 0
            self._head_due: asyncio.TimerHandle | None = self.loop.call_later(limits.head_seconds, self._head_is_late)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.scope[WRITE] = write_whole  # type: ignore[literal-required]

        def on_message_complete(self) -> None:
            super().on_message_complete()
            if self.cycle.body:
                self.scope[WHOLE_BODY] = self.cycle.body  # type: ignore[literal-required]

        def connection_lost(self, exc: Exception | None) -> None:
            if self._head_due:
                self._head_due.cancel()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            idle = self.cycle is None or self.cycle.response_complete
            if idle and b"pgrade" in data:
                head, end, rest = data.partition(b"\r\n\r\n")
                data = _UPGRADE.sub(b"\r\nx-grade:", head) + end + rest
            super().data_received(data)
            if self.cycle is not None and self.cycle.scope is self.scope:  # all of the head is here
                if self._head_due:
                    self._head_due.cancel()
                    self._head_due, self._head_bytes = None, 0
                return
            self._head_bytes += len(data)
            if self._head_bytes > limits.head_bytes:
                self._end(b"431 Request Header Fields Too Large")
            elif not self._head_due:
                self._head_due = self.loop.call_later(limits.head_seconds, self._head_is_late)

        def _head_is_late(self) -> None:
            if self.cycle is None or self.cycle.response_complete:
                self._end(b"408 Request Timeout")

        def _end(self, status: bytes) -> None:
            """Refuse before it is known which provider is meant, so in no dialect, and hang up."""
            if not self.transport.is_closing():
                self.transport.write(b"HTTP/1.1 %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
                self.transport.close()

    return GatheringProtocol
