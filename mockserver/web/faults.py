"""Answers that are broken on their way: held back, reset, lost, cut short, or never ended."""

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Any

from starlette.types import Receive, Scope, Send

from mockserver.message import Response

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time: closing sends RST


class BrokenConnection(ConnectionError):
    """What an in-process client sees of a connection that breaks."""


async def break_off(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response as its fault has it. Seconds are the machine's: clients wait in real time.

    Raises BrokenConnection where there is no connection to break.
    """
    status, headers, body, fault = response
    assert fault is not None
    if fault.delay and await _has_left(receive, fault.delay):
        return
    cuts = fault.kind in ("truncate", "stall")
    if scope["method"] == "HEAD":
        body = b""
    if fault.kind == "delay" or (cuts and not body):
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return
    if cuts:
        part = body[: int(len(body) * fault.share)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": part, "more_body": True})
        if fault.kind == "stall" and await _has_left(receive, fault.seconds):
            return
    cycle = getattr(send, "__self__", None)
    transport = getattr(cycle, "transport", None)
    if transport is None:
        raise BrokenConnection(f"the connection was broken: {fault.kind}")
    hang_up(transport, fault.kind == "reset")
    cycle.disconnected = True  # type: ignore[union-attr]  # uvicorn is to send and to say nothing more


async def _has_left(receive: Receive, seconds: float) -> bool:
    """Wait; whether the client has hung up meanwhile."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
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
