"""Answers that are broken on their way: held back, reset, lost, cut short, or never ended."""

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Any

from starlette.types import Scope, Send

from mockserver.message import Response

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time: closing sends RST


class BrokenConnection(ConnectionError):
    """What an in-process client sees of a connection that breaks."""


async def break_off(response: Response, scope: Scope, send: Send) -> None:
    """Send a response as its fault has it. Seconds are the machine's: clients wait in real time."""
    status, headers, body, fault = response
    assert fault is not None
    if fault.kind == "delay":
        await asyncio.sleep(fault.seconds)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
        return
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if fault.kind in ("truncate", "stall") and scope["method"] != "HEAD":
        part = body[: int(len(body) * fault.share)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": part, "more_body": True})
        if fault.kind == "stall":
            await asyncio.sleep(fault.seconds)
    if transport is None:
        raise BrokenConnection(f"the connection was broken: {fault.kind}")
    if hasattr(transport, "flush"):
        transport.flush()
    hang_up(transport, fault.kind == "reset")


def hang_up(transport: Any, reset: bool) -> None:
    """Close a connection; with `reset` in a way that the client cannot take for the end of an answer."""
    if reset:
        with suppress(OSError, AttributeError):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    else:
        transport.close()
