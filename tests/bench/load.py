"""A load generator: requests a second over 32 kept connections, by wrk where it is installed, else by this file."""

import asyncio
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from tempfile import NamedTemporaryFile
from typing import cast

CONNECTIONS = 32


@dataclass(frozen=True)
class Call:
    """One request, sent again and again."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


def rate(port: int, call: Call, seconds: float) -> float:
    """Good answers a second. Raises RuntimeError if any answer is not 2xx."""
    if shutil.which("wrk"):
        return _with_wrk(port, call, seconds)
    command = [sys.executable, __file__, str(port), call.method, call.path, str(seconds), call.body]
    command += [f"{name}: {value}" for name, value in call.headers.items()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return float(done.stdout)


def _with_wrk(port: int, call: Call, seconds: float) -> float:
    script = f"wrk.method = {call.method!r}\n"
    script += "".join(f"wrk.headers[{name!r}] = {value!r}\n" for name, value in call.headers.items())
    script += f"wrk.body = [[{call.body}]]\n" if call.body else ""
    with NamedTemporaryFile("w", suffix=".lua") as file:  # wrk reads it once a thread
        file.write(script)
        file.flush()
        url = f"http://127.0.0.1:{port}{call.path}"
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "-s", file.name, url]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in output:
        raise RuntimeError(output)
    found = re.search(r"Requests/sec:\s+([\d.]+)", output)
    assert found is not None, output
    return float(found[1])


class _Client(asyncio.Protocol):
    """One connection: sends the request, waits for the whole answer, sends it again."""

    def __init__(self, raw: bytes, counts: list[int]) -> None:
        self._raw = raw
        self._counts = counts
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods, not by its class
        self._transport.write(self._raw)

    def data_received(self, data: bytes) -> None:
        seen = self._seen + data if self._seen else data
        head = seen.find(b"\r\n\r\n")
        at = seen.find(b"content-length: ", 0, head) if head > 0 else -1
        if at < 0 or len(seen) < head + 4 + int(seen[at + 16 : seen.find(b"\r", at)]):
            self._seen = seen
            return
        self._seen = b""
        self._counts[0 if seen[9:10] == b"2" else 1] += 1
        self._transport.write(self._raw)


async def _measure(port: int, raw: bytes, seconds: float) -> float:
    loop = asyncio.get_running_loop()
    counts = [0, 0]
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: _Client(raw, counts), "127.0.0.1", port)
    begun = time.perf_counter()
    await asyncio.sleep(seconds)
    taken = time.perf_counter() - begun
    if counts[1] or not counts[0]:
        raise RuntimeError(f"{counts[0]} answers were 2xx, {counts[1]} were not")
    return counts[0] / taken


def _main() -> None:
    import uvloop

    port, method, path, seconds, body, *headers = sys.argv[1:]
    head = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}" if body else "", *headers]
    raw = "\r\n".join(line for line in head if line) + "\r\n\r\n" + body
    print(uvloop.run(_measure(int(port), raw.encode(), float(seconds))))


if __name__ == "__main__":
    _main()
