"""Requests beyond a limit or broken in shape get a 4xx in the provider's words, over a real socket where it matters."""

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from in_process import start
from serving import serving

from mockserver.web.app import Limits

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with serving("openai") as urls:
        split = urlsplit(urls["openai"])
        assert split.hostname is not None
        assert split.port is not None
        yield split.hostname, split.port


def sent(address: tuple[str, int], raw: bytes) -> tuple[int, bytes]:
    """The status and the rest of the answer to raw bytes, read until the server closes or the body is whole."""
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(raw)
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = next((int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.startswith(b"content-length")), 0)
        while len(body) < length:
            body += connection.recv(65536)
        return int(data[9:12]), body


def raw(method: str, target: str, *headers: str, body: bytes = b"", key: str = "k") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: x", f"Authorization: Bearer {key}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_too_many_headers(address: tuple[str, int]) -> None:
    status, body = sent(address, raw("GET", "/v1/videos", *(f"X-{n}: 1" for n in range(150))))
    assert status == 431
    assert json.loads(body)["error"]["message"].startswith("15")


def test_a_url_that_is_too_long(address: tuple[str, int]) -> None:
    status, body = sent(address, raw("GET", f"/v1/videos?after={'x' * 20_000}"))
    assert status == 400
    assert "URL is longer" in json.loads(body)["error"]["message"]


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(address: tuple[str, int]) -> None:
    body = b'{"prompt": "x"}'
    head = raw(
        "POST", "/v1/videos", "Content-Type: application/json", "Expect: 100-continue", f"Content-Length: {len(body)}"
    )
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(head)
        assert connection.recv(4096).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")


def test_requests_on_one_connection_are_answered_in_order(address: tuple[str, int]) -> None:
    both = raw("GET", "/v1/videos/a") + raw("GET", "/v1/nowhere")
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(both)
        data = b""
        while data.count(b"HTTP/1.1 404") < 2:
            data += connection.recv(65536)
    assert data.index(b"'a'") < data.index(b"/v1/nowhere")


def test_head_sends_no_body_and_the_connection_goes_on(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(raw("HEAD", "/v1/videos") + raw("GET", "/v1/nowhere"))
        data = b""
        while b"nowhere" not in data:
            data += connection.recv(65536)
    first, _, rest = data.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200")
    assert rest.startswith(b"HTTP/1.1 404")


FORM = {"content-type": "multipart/form-data; boundary=b"}
BROKEN: list[tuple[str, Any, dict[str, str], int]] = [
    ("broken JSON", b'{"prompt": ', JSON, 400),
    ("a deep body", b"[" * 100_000, JSON, 400),
    ("a deep but whole body", b'{"a":' * 100 + b"1" + b"}" * 100, JSON, 400),
    ("NaN", b'{"prompt": NaN}', JSON, 400),
    ("bytes that are not UTF-8", b'{"prompt": "\xff"}', JSON, 400),
    ("a lone surrogate", b'{"prompt": "\\ud800"}', JSON, 400),
    ("a list", b"[]", JSON, 400),
    ("a number", b"1", JSON, 400),
    ("null", b"null", JSON, 400),
    ("nothing", b"", JSON, 400),
    ("a prompt that is too long", json.dumps({"prompt": "x" * 32_001}).encode(), JSON, 400),
    ("a huge number", b'{"prompt": "x", "seconds": 1e400}', JSON, 400),
    ("another type", b"x", {"content-type": "text/csv"}, 415),
    ("no boundary", b"x", {"content-type": "multipart/form-data"}, 400),
    ("a cut-off form", b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx", FORM, 400),
]  # fmt: skip


@pytest.mark.parametrize(("body", "headers", "status"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN])
def test_a_body_that_is_wrong_is_answered(body: bytes, headers: dict[str, str], status: int) -> None:
    answer = start("openai").post("/videos", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_a_body_that_is_too_large_is_refused_before_and_while_it_is_read() -> None:
    service = start("openai", limits=Limits(body_bytes=1000))
    declared = service.post("/videos", content=b"x" * 1001, headers=JSON)
    assert declared.status_code == 413
    assert "larger than 1000 bytes" in declared.json()["error"]["message"]

    async def chunks() -> Any:
        for _ in range(11):
            yield b"x" * 100

    streamed = service.post("/videos", content=chunks(), headers=JSON)
    assert streamed.status_code == 413


def test_a_body_that_does_not_come_times_out() -> None:
    service = start("openai", limits=Limits(body_seconds=0.05))

    async def never() -> Any:
        import asyncio

        yield b"{"
        await asyncio.Event().wait()

    late = service.post("/videos", content=never(), headers=JSON)
    assert late.status_code == 408
    assert "did not arrive within 0.05 seconds" in late.json()["error"]["message"]
