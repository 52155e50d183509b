"""Answers that are broken on their way: held back, reset, lost, cut short, or never ended; or only sent otherwise."""

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Any

from starlette.types import Receive, Scope, Send

from mockserver.message import PHRASES, RawHeaders, Response

LOOK_ROUND = 0.5  # seconds after which is looked whether the server stops: uvicorn keeps no connection alive then
PIECES = 3  # of a chunked body
_FRAMED = ("chunked", "until-close", "titled")
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time: closing sends RST


class BrokenConnection(ConnectionError):
    """What an in-process client sees of a connection that breaks."""


async def break_off(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response as its fault has it. Seconds are the machine's: clients wait in real time.

    Raises BrokenConnection where there is no connection to break.
    """
    status, headers, body, fault = response
    assert fault is not None
    cycle = getattr(send, "__self__", None)
    if fault.delay and await _has_left(cycle, receive, fault.delay):
        return
    cuts = fault.kind in ("truncate", "stall")
    if scope["method"] == "HEAD":
        body = b""
    if fault.kind in _FRAMED:
        return await _send_framed(response, cycle, send, scope["method"] == "HEAD")
    if fault.kind == "delay" or (cuts and not body):
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return
    if cuts:
        part = body[: int(len(body) * fault.share)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": part, "more_body": True})
        if fault.kind == "stall" and await _has_left(cycle, receive, fault.seconds):
            return
    transport = getattr(cycle, "transport", None)
    if transport is None:
        raise BrokenConnection(f"the connection was broken: {fault.kind}")
    hang_up(transport, fault.kind == "reset")
    cycle.disconnected = True  # type: ignore[union-attr]  # uvicorn is to send and to say nothing more


async def _send_framed(response: Response, cycle: Any, send: Send, is_head: bool) -> None:
    """Send a whole response as other servers do: in chunks, up to the end of the connection, with other capitals.

    In this process there is no connection: what a client sees of it there are the headers.
    """
    status, headers, body, fault = response
    assert fault is not None
    if is_head:
        body = b""
    if fault.kind != "titled":
        headers = [header for header in headers if header[0] != b"content-length"]
    if fault.kind == "until-close":
        headers.append((b"connection", b"close"))
    if fault.kind == "titled":
        headers = [(name.title(), value) for name, value in headers]
    transport = getattr(cycle, "transport", None)
    if fault.kind == "chunked" or transport is None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        size = max(-(-len(body) // PIECES), 1) if fault.kind == "chunked" else len(body)
        for start in range(0, len(body), size or 1):
            piece = body[start : start + size]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    version = "1.0" if fault.kind == "until-close" else "1.1"
    _write(cycle, _head(version, status, headers) + body, fault.kind == "until-close" or not cycle.keep_alive)


def _head(version: str, status: int, headers: RawHeaders) -> bytes:
    """The lines above a body."""
    lines = [f"HTTP/{version} {status} {PHRASES.get(status, '')}".encode()]
    lines += [name + b": " + value.translate(None, b"\r\n\0") for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _write(cycle: Any, message: bytes, is_last: bool) -> None:
    """Write a whole message past uvicorn, which writes all names in small letters, and tell it so."""
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(message)
    cycle.message_event.set()
    if is_last:
        cycle.keep_alive = False
        cycle.transport.close()
    cycle.on_response()


async def _has_left(cycle: Any, receive: Receive, seconds: float) -> bool:
    """Wait, though not longer than the server runs; whether the client has hung up meanwhile."""
    now = asyncio.get_running_loop().time
    until = now() + seconds
    kept_alive = getattr(cycle, "keep_alive", False)
    while (left := until - now()) > 0 and (not kept_alive or cycle.keep_alive):
        with suppress(TimeoutError):
            async with asyncio.timeout(min(left, LOOK_ROUND)):
                while (await receive())["type"] != "http.disconnect":
                    pass
                return True
    return False


def hang_up(transport: Any, reset: bool) -> None:
    """Close a connection; with `reset` in a way that the client cannot take for the end of an answer."""
    if hasattr(transport, "flush"):
        transport.flush()
    if reset:
        with suppress(OSError, AttributeError):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    else:
        transport.close()
