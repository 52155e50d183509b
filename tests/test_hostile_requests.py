"""Requests of any shape, over real sockets to a real server: an answer below 500, in time, and others are served.

Each test says what is sent and what must come back. Where only the content matters, the application is called in
this process. Nothing sleeps: what must time out has a limit of a fraction of a second.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from time import perf_counter
from typing import Any, NamedTuple

import pytest
from in_process import CREATES, Service, start

from mockserver.sandbox import sandbox
from mockserver.web import server as web_server

ROOT = Path(__file__).parent.parent
KEY = "Authorization: Bearer sk-hostile-0123456789"
JSON = "Content-Type: application/json"
GOOD = b'{"prompt": "x"}'
PATIENCE = 10  # seconds for an answer; all of them come at once
LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")

# The real command, and the same server with limits that a test can wait for.
COMMAND = ("-m", "mockserver", "serve", "--port", "0", "--speed", "60", "--seed", "1")
IMPATIENT = """
from mockserver.loading.providers import load_provider
from mockserver.web.app import Limits
from mockserver.web.server import Settings, build_app, open_socket, serve
limits = Limits(body_bytes=100_000, body_seconds=0.3, header_count=20, head_bytes=300_000, head_seconds=0.3)
sock = open_socket("127.0.0.1", 0)
app = build_app({"": load_provider("openai")}, Settings(limits=limits))
serve(app, sock, lambda: print("openai", f"http://127.0.0.1:{sock.getsockname()[1]}/v1", "\\nseed", flush=True))
"""


# -- a client that sends what it is told --------------------------------------------------------------


class Server(NamedTuple):
    """A served process: its port, and the path of the OpenAI-like videos on it."""

    port: int
    pid: int
    videos: str


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def message(self) -> str:
        """The message of a refusal in the provider's shape; fails for any other body."""
        message: str = json.loads(self.body)["error"]["message"]
        return message


class Line:
    """One connection."""

    def __init__(self, server: Server) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
        self._received = b""

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> "Line":
        """Send bytes; a server that has hung up by now has answered already."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)
        return self

    def end(self) -> "Line":
        """Say that no more will be sent."""
        self._socket.shutdown(socket.SHUT_WR)
        return self

    def answer(self, *, to_head: bool = False) -> Answer:
        """The next answer; fails if none comes."""
        while b"\r\n\r\n" not in self._received:
            self._more()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = 0 if to_head else int(headers.get("content-length", 0))
        while len(self._received) < length:
            self._more()
        body, self._received = self._received[:length], self._received[length:]
        return Answer(int(first.split(" ")[1]), headers, body)

    def is_closed(self) -> bool:
        """Whether the server hangs up; waits for it."""
        try:
            return not self._received and self._socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _more(self) -> None:
        data = self._socket.recv(65536)
        assert data, f"the server hung up after {self._received[:200]!r}"
        self._received += data


def request(method: str, target: str, *headers: str, body: bytes = b"", host: str | None = "Host: localhost") -> bytes:
    """A request as bytes, with a key; the length of its body is said."""
    lines = [f"{method} {target} HTTP/1.1", *([host] if host else []), KEY, *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def ask(server: Server, data: bytes, *, to_head: bool = False) -> Answer:
    """The answer to bytes on a connection of their own."""
    with Line(server) as line:
        return line.send(data).answer(to_head=to_head)


def is_well(server: Server) -> bool:
    """Whether a usual request is answered."""
    return ask(server, request("GET", server.videos)).status == 200


@contextmanager
def running(*arguments: str) -> Iterator[Server]:
    """A process that serves while the block runs. It must end in good order, and never have told of a failure."""
    with (
        TemporaryFile("w+") as complaints,
        subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=complaints, text=True
        ) as process,
    ):
        try:
            urls = {}
            assert process.stdout is not None
            for text in process.stdout:
                if text.startswith("seed"):
                    break
                urls[text.split()[0]] = text.split()[1]
            _, _, rest = urls["openai"].partition("//127.0.0.1:")
            port, _, path = rest.partition("/")
            yield Server(int(port), process.pid, f"/{path}/videos")
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
        finally:
            process.kill()
        complaints.seek(0)
        told = complaints.read()
        assert process.returncode == 0, told
        assert "Traceback" not in told, told
        assert "internal error" not in told, told


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The real command with all providers."""
    with running(*COMMAND) as served:
        yield served
        assert is_well(served)


@pytest.fixture(scope="module")
def impatient() -> Iterator[Server]:
    """A server of one provider with small limits."""
    with running("-c", IMPATIENT) as served:
        yield served
        assert is_well(served)


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What failed inside the application in this process; nothing may."""
    found: list[str] = []
    monkeypatch.setattr(web_server, "report_error", lambda error, request: found.append(f"{request.path}: {error!r}"))
    yield found
    assert not found


# -- what is no HTTP ----------------------------------------------------------------------------------

NO_HTTP = {
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "zeros": b"\0" * 100,
    "a made-up method": b"FETCH / HTTP/1.1\r\n\r\n",
    "a method in small letters": b"get / HTTP/1.1\r\n\r\n",
    "a version to come": b"GET / HTTP/9.9\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: x\n\n",
    "no target": b"GET  HTTP/1.1\r\n\r\n",
    "a space in the target": request("GET", "/a b"),
    "a control character in the target": request("GET", "/a\x01"),
    "UTF-8 in the target": request("GET", "/\xc3\xa9"),
    "a URL of 100 kB": request("GET", "/" + "a" * 100_000),
    "a space before a colon": request("GET", "/", "X : y"),
    "a folded header": request("GET", "/", "X: y", " z"),
    "NUL in a header": request("GET", "/", "X: \0"),
    "a header without a name": request("GET", "/", ": y"),
    "a header's name in Latin-1": request("GET", "/", "\xe9: y"),
    "a negative length": request("POST", "/", "Content-Length: -5"),
    "a length with a sign": request("POST", "/", "Content-Length: +5"),
    "a length in words": request("POST", "/", "Content-Length: five"),
    "a length beyond 64 bits": request("POST", "/", f"Content-Length: {'9' * 30}"),
    "two lengths": request("POST", "/", "Content-Length: 5", "Content-Length: 6"),
    "a length and chunks": request("POST", "/", "Content-Length: 5", "Transfer-Encoding: chunked"),
    "chunks in a coding that ends nowhere": request("POST", "/", "Transfer-Encoding: chunked, gzip"),
    "a chunk of a size in words": request("POST", "/", "Transfer-Encoding: chunked") + b"zz\r\n",
    "a chunk of a negative size": request("POST", "/", "Transfer-Encoding: chunked") + b"-1\r\n",
    "a chunk beyond 64 bits": request("POST", "/", "Transfer-Encoding: chunked") + b"f" * 30 + b"\r\n",
}


@pytest.mark.parametrize("data", NO_HTTP.values(), ids=NO_HTTP.keys())
def test_what_is_no_http_is_told_so_and_hung_up_on(server: Server, data: bytes) -> None:
    with Line(server) as line:
        assert line.send(data).answer().status == 400
        assert line.is_closed()


def test_a_body_longer_than_it_was_said_to_be_is_no_second_request(server: Server) -> None:
    short = request("POST", server.videos, JSON, "Content-Length: 5") + GOOD
    with Line(server) as line:
        assert line.send(short).answer().status == 400
        assert line.is_closed()


def test_a_client_that_leaves_in_the_middle_of_its_body_is_forgotten(server: Server) -> None:
    with Line(server) as line:
        line.send(request("POST", server.videos, JSON, "Content-Length: 500") + GOOD).end()
        assert line.is_closed()
    assert is_well(server)


# -- heads --------------------------------------------------------------------------------------------


def test_too_many_headers_are_refused_in_the_providers_words(impatient: Server) -> None:
    answer = ask(impatient, request("GET", impatient.videos, *(f"X-{n}: y" for n in range(30))))
    assert (answer.status, answer.headers["connection"]) == (431, "close")
    assert "headers were sent; at most 20 are read" in answer.message


def test_more_headers_after_the_last_chunk_count_as_well(impatient: Server) -> None:
    head = request("POST", impatient.videos, JSON, "Transfer-Encoding: chunked")
    trailers = b"".join(b"X-%d: y\r\n" % n for n in range(30))
    assert ask(impatient, head + b"0\r\n" + trailers + b"\r\n").status == 431


@pytest.mark.parametrize(
    "start_of_it",
    [b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\n", b"GET /"],
    ids=["in a value", "in a name", "in the target"],
)
def test_a_head_that_does_not_end_is_cut_off(impatient: Server, start_of_it: bytes) -> None:
    with Line(impatient) as line:
        line.send(start_of_it)
        for _ in range(10):
            line.send(b"x" * 65536)
        assert line.answer().status in (400, 431)
        assert line.is_closed()


@pytest.mark.parametrize("head", [b"", b"GE", b"GET / HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "a word", "half"])
def test_a_head_that_does_not_come_times_out(impatient: Server, head: bytes) -> None:
    with Line(impatient) as line:
        assert line.send(head).answer().status == 408
        assert line.is_closed()


def test_the_second_head_on_a_connection_times_out_too(impatient: Server) -> None:
    with Line(impatient) as line:
        assert line.send(request("GET", impatient.videos) + b"GET").answer().status == 200
        assert line.answer().status == 408


def test_a_url_of_20_kb_is_refused_in_the_providers_words(server: Server) -> None:
    assert "The URL is longer" in ask(server, request("GET", f"{server.videos}/{'a' * 20_000}")).message


@pytest.mark.parametrize("method", ["TRACE", "PUT", "PATCH", "DELETE", "CONNECT", "PROPFIND", "M-SEARCH", "QUERY"])
def test_methods_that_the_path_does_not_have(server: Server, method: str) -> None:
    answer = ask(server, request(method, server.videos))
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert method in answer.message


def test_options_asks_for_no_key(server: Server) -> None:
    answer = ask(server, f"OPTIONS {server.videos} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")


@pytest.mark.parametrize(
    "rest",
    ["/..", "/%2F", "/%00", "/%FF", "/%", "/%zz", "/;x", "/%0d%0aX:%20y", "/a/../../../etc/passwd", "//", "/%2e%2e/x",
     "/%E2%80%AE", "/" + "%41" * 1000, "/a%20b", "/__proto__", "/{video_id}", "/*", "/-1", "/null"],
)  # fmt: skip
def test_strange_paths_are_unknown(server: Server, rest: str) -> None:
    answer = ask(server, request("GET", server.videos + rest))
    assert answer.status == 404
    assert answer.message
    assert "x" not in answer.headers


@pytest.mark.parametrize("target", ["*", "/nope", "//openai/v1/videos", "/%6fpenai/v1/videos", "/openai\\v1", "/."])
def test_targets_of_no_provider_are_unknown(server: Server, target: str) -> None:
    assert "Paths begin with one of" in ask(server, request("GET", target)).message


@pytest.mark.parametrize("site", ["http://elsewhere.example", "https://user:word@[::1]:99"])
def test_a_target_with_its_site_is_taken_for_its_path(server: Server, site: str) -> None:
    assert ask(server, request("GET", site + server.videos)).status == 200


def test_http_1_0_is_answered_and_hung_up_on(server: Server) -> None:
    with Line(server) as line:
        line.send(f"GET {server.videos} HTTP/1.0\r\n{KEY}\r\n\r\n".encode())
        assert line.answer().status == 200
        assert line.is_closed()


@pytest.mark.parametrize("value", ["\xff\xfe", "a\tb", "x" * 100_000, "", '"', "=?utf-8?q?=00?="])
def test_strange_values_of_headers_that_nobody_reads_do_no_harm(server: Server, value: str) -> None:
    assert ask(server, request("GET", server.videos, f"X: {value}")).status == 200


@pytest.mark.parametrize(
    "host",
    ["a b", "[", "[::1", "[::1]:x", "x/../y", "user@host", "x?y", "x#y", '"><script>', "a,b", "a\\b", "http://x",
     "h" * 300, "\xff", "x:notaport", ""],
)  # fmt: skip
def test_links_are_not_built_from_a_host_that_is_none(host: str, failures: list[str]) -> None:
    service = start("aitoearn", rate=0.0)
    path, arguments = CREATES["aitoearn"]
    id = service.post(path, **arguments).json()["data"]["id"]
    service.clock.advance(3600)
    job = service.get(f"{path}/{id}", headers={"host": host.encode("latin-1")}).json()["data"]
    assert job["videoUrl"].startswith("http://mock.test")


# -- bodies on the wire -------------------------------------------------------------------------------


def test_chunks_of_any_size_make_one_body(server: Server) -> None:
    head = request("POST", server.videos, JSON, "Transfer-Encoding: chunked")
    single = b"".join(b"1\r\n%c\r\n" % byte for byte in GOOD)
    for chunks in (b"f;x=y\r\n" + GOOD + b"\r\n", single, b"1\r\n \r\n" * 5000 + single):
        assert ask(server, head + chunks + b"0\r\nTrailer: x\r\n\r\n").status == 200


def test_a_body_that_is_waited_for_is_asked_for(server: Server) -> None:
    with Line(server) as line:
        line.send(request("POST", server.videos, JSON, "Expect: 100-continue", f"Content-Length: {len(GOOD)}"))
        assert line.answer().status == 100
        assert line.send(GOOD).answer().status == 200


def test_a_body_that_would_be_too_large_is_not_asked_for(server: Server) -> None:
    head = request("POST", server.videos, JSON, "Expect: 100-continue", f"Content-Length: {10**10}")
    assert ask(server, head).status == 413


def test_the_answer_to_a_body_that_is_too_large_reaches_a_client_that_is_still_sending(impatient: Server) -> None:
    with Line(impatient) as line:
        answer = line.send(request("POST", impatient.videos, JSON, body=b"x" * 3_000_000)).answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert "larger than 100000 bytes" in answer.message
        assert line.is_closed()


def test_chunks_that_become_too_large_are_refused_on_the_way(impatient: Server) -> None:
    with Line(impatient) as line:
        line.send(request("POST", impatient.videos, JSON, "Transfer-Encoding: chunked"))
        for _ in range(20):
            line.send(b"2710\r\n" + b" " * 10_000 + b"\r\n")
        assert line.answer().status == 413


@pytest.mark.parametrize("sent", [b"", b'{"prompt": "x"'], ids=["nothing of it", "most of it"])
def test_a_body_that_does_not_come_times_out_in_the_providers_words(impatient: Server, sent: bytes) -> None:
    with Line(impatient) as line:
        answer = line.send(request("POST", impatient.videos, JSON, "Content-Length: 15") + sent).answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert "did not arrive within 0.3 seconds" in answer.message
        assert line.is_closed()


def test_a_form_that_does_not_come_times_out(impatient: Server) -> None:
    head = request("POST", impatient.videos, "Content-Type: multipart/form-data; boundary=b", "Content-Length: 90")
    assert ask(impatient, head + b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n').status == 408


def test_fifty_requests_at_once_are_answered_in_their_order(server: Server) -> None:
    with Line(server) as line:
        line.send(b"".join(request("GET", f"{server.videos}/job-{n}") for n in range(50)))
        for n in range(50):
            assert f"'job-{n}'" in line.answer().message


def test_an_offer_of_http_2_costs_no_body(server: Server) -> None:
    """Java's client makes this offer on its first request; the body that follows is HTTP/1.1 all the same."""
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
    with Line(server) as line:
        assert line.send(request("POST", server.videos, JSON, *offer, body=GOOD)).answer().status == 200
        line.send(request("POST", server.videos, JSON, *offer, f"Content-Length: {len(GOOD)}"))
        assert line.send(GOOD).answer().status == 200
        assert line.send(request("GET", server.videos, *offer)).answer().status == 200


def test_a_web_socket_is_not_opened(server: Server) -> None:
    wish = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: eA==", "Sec-WebSocket-Version: 13")
    with Line(server) as line:
        assert line.send(request("GET", server.videos, *wish)).answer().status == 200
        assert line.send(request("GET", server.videos)).answer().status == 200


REFUSED = {
    "no key": (b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n", 401),
    "an unknown job": (request("GET", "%s/nobody"), 404),
    "an unknown path with a body": (request("POST", "%s/a/b/c", JSON, body=GOOD), 404),
    "no provider, with a body": (request("POST", "/nope", JSON, body=GOOD), 404),
    "the bare address, with a body": (request("POST", "/", JSON, body=GOOD), 405),
    "a method that is not there, with a body": (request("PUT", "%s", JSON, body=GOOD), 405),
    "broken JSON": (request("POST", "%s", JSON, body=b"{"), 400),
    "a broken form": (request("POST", "%s", "Content-Type: multipart/form-data", body=b"x" * 100_000), 400),
    "another type": (request("POST", "%s", "Content-Type: text/csv", body=GOOD), 415),
}


@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_after_a_refusal_the_connection_goes_on(server: Server, data: bytes, status: int) -> None:
    with Line(server) as line:
        refusal = line.send(data.replace(b"%s", server.videos.encode())).answer()
        assert (refusal.status, refusal.headers.get("connection")) == (status, None)
        assert line.send(request("GET", server.videos)).answer().status == 200


# -- many at once, and large ---------------------------------------------------------------------------


def test_clients_that_never_finish_hold_up_nobody(server: Server) -> None:
    body = request("POST", server.videos, JSON, "Content-Length: 1000") + b"{"
    idle = [Line(server).send(data) for data in (b"", b"GET / HT", body) for _ in range(200)]
    began = perf_counter()
    assert all(is_well(server) for _ in range(20))
    assert perf_counter() - began < 2  # it takes 20 ms
    for line in idle:
        line.__exit__()


def cpu_seconds(pid: int) -> float:
    """The time that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """The memory that a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@LINUX
def test_an_upload_of_9_mb_costs_little_and_holds_up_no_poll(server: Server) -> None:
    id = json.loads(ask(server, request("POST", server.videos, JSON, body=GOOD)).body)["id"]
    head = b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nx\r\n--b\r\n'
    head += b'Content-Disposition: form-data; name="input_reference"; filename="x.png"\r\n\r\n\x89PNG\r\n\x1a\n'
    form = head + os.urandom(9 << 20) + b"\r\n--b--\r\n"
    upload = request("POST", server.videos, "Content-Type: multipart/form-data; boundary=b", body=form)
    waits: list[float] = []
    done = threading.Event()

    def poll() -> None:
        with Line(server) as line:
            while not done.is_set():
                began = perf_counter()
                assert line.send(request("GET", f"{server.videos}/{id}")).answer().status == 200
                waits.append(perf_counter() - began)

    poller = threading.Thread(target=poll)
    before = cpu_seconds(server.pid), resident_bytes(server.pid)
    answers = [ask(server, upload) for _ in range(5)]
    cost = (cpu_seconds(server.pid) - before[0]) / 5
    poller.start()
    answers += [ask(server, upload) for _ in range(5)]
    done.set()
    poller.join()
    assert {answer.status for answer in answers} == {200}
    assert cost < 0.1  # it is 0.015
    assert sorted(waits)[-1] < 0.5  # it is 0.002 on a machine with nothing else to do
    assert resident_bytes(server.pid) - before[1] < 8 << 20  # the file is never held


@LINUX
def test_what_clients_make_up_does_not_fill_the_memory(server: Server) -> None:
    def each(n: int) -> bytes:
        return b"".join((
            request("GET", f"{server.videos}/{n}{'a' * 12_000}"),
            request("GET", f"{server.videos}?after={n}{'a' * 12_000}"),
            request("GET", f"{server.videos}/x", f"X: {n}{'a' * 5000}", host=f"Host: {n}.example"),
            request("POST", server.videos, f"Content-Type: application/json; x={n}{'a' * 5000}", body=b"{}"),
        ))  # fmt: skip

    with Line(server) as line:
        for n in range(50):  # until what is made once is made
            line.send(each(n))
            assert [line.answer().status for _ in range(4)] == [404, 400, 404, 400]
        before = resident_bytes(server.pid)
        for n in range(50, 1050):
            line.send(each(n))
            assert [line.answer().status for _ in range(4)] == [404, 400, 404, 400]
    assert resident_bytes(server.pid) - before < 8 << 20  # of 35 MB sent


# -- JSON, in this process -----------------------------------------------------------------------------

CHEAP = {
    "a million brackets that never close": b"[" * 1_000_000,
    "a million levels": b'{"a":' * 1_000_000 + b"1" + b"}" * 1_000_000,
    "brackets and a text that never closes": b"[" * 65 + b'"' + b'\\"' * 1_000_000,
    "a long text after brackets": b"[" * 65 + b'"' + b"a" * 10_000_000,
    "brackets that close again and again": b"[]" * 1_000_000,
    "closing brackets": b"[" * 65 + b"]" * 1_000_000,
    "backslashes": b"[" * 65 + b'"' + b"\\" * 1_000_001,
    "two million objects": b'{"k": [' + b"{}," * 2_000_000 + b"{}]}",
    "a million fields": b"{" + b",".join(b'"a%d":1' % n for n in range(1_000_000)) + b"}",
    "a million texts": b'{"k": [' + b'"",' * 1_000_000 + b'""]}',
}


@pytest.mark.parametrize("body", CHEAP.values(), ids=CHEAP.keys())
def test_bodies_that_are_cheap_to_send_are_cheap_to_refuse(body: bytes, failures: list[str]) -> None:
    service = start("openai")
    service.post("/videos", json={})
    began = perf_counter()
    answer = service.post("/videos", content=body, headers={"content-type": "application/json"})
    assert perf_counter() - began < 1.5  # none takes a tenth of it
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_brackets_inside_texts_are_no_levels(failures: list[str]) -> None:
    prompt = '[{"' * 200 + "\\" * 3 + '"' * 5
    answer = start("openai").post("/videos", json={"prompt": prompt})
    assert (answer.status_code, answer.json()["prompt"]) == (200, prompt)


def test_sixty_levels_are_read_and_seventy_are_not(failures: list[str]) -> None:
    service = start("openai")
    for levels, status in ((60, 200), (70, 400)):
        nested = b'{"prompt": "x", "metadata": ' + b'[{"a":' * (levels // 2) + b"1" + b"}]" * (levels // 2) + b"}"
        answer = service.post("/videos", content=nested, headers={"content-type": "application/json"})
        assert answer.status_code == status


def test_what_is_wrong_with_ten_thousand_items_is_said_of_the_first(failures: list[str]) -> None:
    service = start("hingnet-veo")
    good = CREATES["hingnet-veo"][1]["json"]
    wrong: list[list[Any]] = [[1] * 50_000, [{}] * 20_000, ["x"] * 50_000]
    for items in wrong:
        began = perf_counter()
        answer = service.post("/v1/videos", json={**good, "input_reference": items})
        assert perf_counter() - began < 1.5
        assert answer.status_code == 400
        assert "'input_reference'" in answer.json()["error"]["message"]


def test_a_fault_behind_thousands_of_good_items_is_a_fault(failures: list[str]) -> None:
    path, arguments = CREATES["aitoearn"]
    answer = start("aitoearn").post(path, json={**arguments["json"], "images": ["x"] * 5000 + [1]})
    assert answer.json()["code"] == 10002
    assert "more than 2000 values" in answer.json()["message"]


NUMBERS: list[Any] = [
    0, -1, 1.5, -0.0, 10**18, 2**63, 2**64, 10**30, 1e300, -1e300, "1e999", "-1e999", "nan", "inf", "-inf", "9" * 5000,
    "٣", "²", " 5", "5.0", "0x10", "1_0", "", True, None, [], {}, [[[]]], "999:0.0000001", "1:0." + "0" * 305 + "1",
    "99999x99999", "0x0", "16:9" * 1000, "5" * 90_000,
]  # fmt: skip


@pytest.mark.parametrize("name", [name for name in CREATES if "json" in CREATES[name][1]])
def test_jobs_made_with_any_number_are_answered_in_every_state(name: str, failures: list[str]) -> None:
    service = start(name, rate=0.0)
    path, arguments = CREATES[name]
    fields = sorted({*arguments["json"], "size", "seed", "aspect_ratio"} - {"prompt", "model"})
    made = []
    for field in fields:
        for value in NUMBERS:
            body = json.dumps({**arguments["json"], field: value}).encode()
            answer = service.post(path, content=body, headers={"content-type": "application/json"})
            assert_answered(name, answer)
            id = (answer.json().get("data") or answer.json()).get("id")
            made += [id] if id else []
    assert made
    for _ in range(2):
        for id in made:
            assert_answered(name, service.get(f"{path}/{id}"))
        service.clock.advance(3600)
    if name != "hingnet-veo":  # which has no list
        assert_answered(name, service.get(path))


def assert_answered(name: str, answer: Any) -> None:
    """The answer is no failure of the server, by its status or, where the provider says 200 to all, by its code."""
    assert answer.status_code < 500, answer.text[:300]
    if name == "aitoearn":
        assert answer.json()["code"] != 500, answer.text[:300]


def test_a_data_url_of_20_mb_is_taken_and_not_kept(failures: list[str]) -> None:
    service = start("openai")
    image = "data:image/png;base64," + "A" * 20_000_000
    answer = service.post("/videos", json={"prompt": "x", "input_reference": {"image_url": image}})
    assert answer.status_code == 200
    assert len(answer.content) < 2000


@pytest.mark.parametrize("name", ["openai", "hingnet-sora"])
def test_a_prompt_of_a_million_characters_is_too_long(name: str, failures: list[str]) -> None:
    answer = start(name).post(CREATES[name][0], json={"prompt": "a" * 1_000_000})
    assert answer.status_code == 400
    assert "1000000 characters" in answer.json()["error"]["message"]


@pytest.mark.parametrize("prompt", ["\0", "\x1b[2J", "\u202e", "\ufeff", "\U0010ffff", "\r\n", "{message}", "%s%n"])
def test_strange_characters_come_back_as_they_went(prompt: str, failures: list[str]) -> None:
    answer = start("openai").post("/videos", json={"prompt": prompt})
    assert (answer.status_code, answer.json()["prompt"]) == (200, prompt)


@pytest.mark.parametrize(
    "content_type",
    ["", ";", "/", "a/b;" * 1000, "\xff", "application", "application/json/x", "application/*", "*/*", "json",
     "multipart/mixed; boundary=b", "multipart/form-dataX; boundary=b", "text/plain",
     "application/x-www-form-urlencoded", "application/json; charset=utf-16", "application/json;;;=",
     "APPLICATION/JSON"],
)  # fmt: skip
def test_strange_types_are_read_as_json_or_refused(content_type: str, failures: list[str]) -> None:
    answer = start("openai").post("/videos", content=GOOD, headers={"content-type": content_type.encode("latin-1")})
    assert answer.status_code in (200, 415)


def test_a_packed_body_is_not_unpacked(failures: list[str]) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    answer = start("openai").post("/videos", content=b"\x1f\x8b\x08\0\0\0\0\0", headers=headers)
    assert answer.status_code == 400


# -- forms ---------------------------------------------------------------------------------------------


def form(*parts: tuple[str, bytes], boundary: bytes = b"b") -> bytes:
    """Parts under their headers, as one body."""
    written = (b"--%b\r\n%b\r\n\r\n%b\r\n" % (boundary, head.encode("utf-8"), body) for head, body in parts)
    return b"".join(written) + b"--%b--\r\n" % boundary


def field(name: str, filename: str | None = None) -> str:
    """The header of one field."""
    return f'Content-Disposition: form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')


def post_form(service: Service, body: bytes, content_type: str = "multipart/form-data; boundary=b") -> Any:
    return service.post("/v1/videos", content=body, headers={"content-type": content_type.encode("latin-1")})


PARTS = (("Content-Disposition: form-data; name=model", b"sora-2"), (field("prompt"), b"x"))
BROKEN_FORMS = {
    "nothing": b"",
    "no part": b"--b--\r\n",
    "a boundary and nothing": b"--b",
    "no boundary in it": b"garbage",
    "cut off in a header": form(*PARTS)[:30],
    "cut off in the last boundary": form(*PARTS)[:-5],
    "a thousand parts": form(*PARTS * 500),
    "a part without a name": form(("Content-Disposition: form-data", b"x")),
    "a part without headers": b"--b\r\n\r\nx\r\n--b--\r\n",
    "a part that is no field": form(("Content-Disposition: attachment; name=prompt", b"x")),
    "a hundred headers": form((field("prompt") + "".join(f"\r\nX-{n}: y" for n in range(100)), b"x")),
    "a header of 100 kB": form((field("prompt") + "\r\nX: " + "y" * 100_000, b"x")),
    "a length in words": form((field("prompt") + "\r\nContent-Length: five", b"x")),
    "a length that is not true": form((field("prompt") + "\r\nContent-Length: 500", b"x")),
    "a text that is not UTF-8": form(*PARTS, (field("size"), b"\xff\xfe")),
    "a name that is not UTF-8": form(*PARTS).replace(b"prompt", b"\xff\xfe"),
    "a text of more than a MB": form(*PARTS, (field("size"), b"x" * 1_100_000)),
    "a text where a file is wanted": form(*PARTS, (field("input_reference"), b"x")),
    "a file where a text is wanted": form(*PARTS[:1], (field("prompt", "x.txt"), b"x")),
    "bare line feeds": form(*PARTS).replace(b"\r\n", b"\n"),
    "another boundary": form(*PARTS, boundary=b"c"),
}


@pytest.mark.parametrize("body", BROKEN_FORMS.values(), ids=BROKEN_FORMS.keys())
def test_broken_forms_are_refused_with_a_reason(body: bytes, failures: list[str]) -> None:
    answer = post_form(start("agicto-sora"), body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert "Error(" not in answer.text


@pytest.mark.parametrize(
    ("content_type", "status"),
    [("multipart/form-data", 400), ("multipart/form-data; boundary=", 400), ('multipart/form-data; boundary=""', 400),
     (f"multipart/form-data; boundary={'b' * 10_000}", 400), ("multipart/form-data; boundary=\xe9", 400),
     ("multipart/form-data; boundary=\t", 400), ("multipart/form-data; charset=utf-16; boundary=b", 200),
     ('MULTIPART/FORM-DATA; BOUNDARY="b"', 200), ("multipart/form-data; boundary=c; boundary=b", 200)],
)  # fmt: skip
def test_boundaries(content_type: str, status: int, failures: list[str]) -> None:
    assert post_form(start("agicto-sora"), form(*PARTS), content_type).status_code == status


NAMES = [
    "a[", "a]", "[a]", "[]", "[", "]", "", "a[][][]", "a[0][0]", "a[999999999]", "a[-1]", "a[ ]", "a[0]x", "a[²]",
    "a[٣]", f"a[{'1' * 4000}]", "a[1e5]", "a" + "[b]" * 9, "a" * 4000, "prompt[", "prompt[]", "prompt[0]", "prompt[a]",
    "size[²]", "input_reference[]", "input_reference[0]", "input_reference[image_url]", "prompt\0", "__proto__",
    "a%22b", "é", "🎬",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_shape_are_read_or_refused(name: str, failures: list[str]) -> None:
    service = start("agicto-sora")
    for filename in (None, "", "x.png", "../../etc/passwd", "C:\\x\\y", '"; name="prompt'):
        for parts in ([(field(name, filename), b"1")], [(field(name, filename), b"1"), (field(name), b"2")]):
            assert post_form(service, form(*PARTS, *parts)).status_code in (200, 400)
            assert post_form(service, form(*parts, *PARTS)).status_code in (200, 400)


@pytest.mark.parametrize(
    ("first", "second"),
    [("x", "x[y]"), ("x[y]", "x"), ("x[]", "x[y]"), ("x[0]", "x[a]"), ("x", "x[]"), ("x[a]", "x[a][b]"),
     ("prompt", "prompt[a]"), ("prompt[a]", "prompt"), ("input_reference", "input_reference[image_url]"),
     ("input_reference[image_url]", "input_reference"), ("size[]", "size"), ("size", "size")],
)  # fmt: skip
def test_one_name_in_two_shapes_is_read_or_refused(first: str, second: str, failures: list[str]) -> None:
    for name in ("openai", "agicto-sora"):
        service = start(name)
        for filename in (None, "x"):
            body = form(*PARTS, (field(first, filename), b"1"), (field(second), b"2"))
            headers = {"content-type": "multipart/form-data; boundary=b"}
            assert service.post(CREATES[name][0], content=body, headers=headers).status_code in (200, 400)


# -- queries and keys ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    ["limit=-1", "limit=101", "limit=1e9", "limit=1" + "0" * 30, "limit=١٢", "limit=²", "limit=%205", "limit=+5",
     "limit=5.0", "limit=", "limit=abc", "limit=1_0", "limit=0x10", "limit=null", "limit=[]", "limit=%00", "limit=%FF",
     "limit=1&limit=2", "limit=1;2", "order=ASC", "order=", "order=1", "order=asc&order=desc", "after=nobody",
     "after=%00", "after=a&after=b", "&".join(f"x={n}" for n in range(200))],
)  # fmt: skip
def test_queries_that_the_contract_does_not_allow(query: str, failures: list[str]) -> None:
    service = start("openai")
    service.post(*CREATES["openai"][:1], **CREATES["openai"][1])
    answer = service.get(f"/videos?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "query", ["", "&", "&&&&", "limit=0", "limit=100", "after=", "x", "=", "%zz=%zz", "limit[]=5", "a[b"]
)
def test_queries_that_mean_little(query: str, failures: list[str]) -> None:
    assert start("openai").get(f"/videos?{query}").status_code == 200


@pytest.mark.parametrize(
    ("query", "code"),
    [("page=0", 10002), ("page=-1", 10002), ("page=9007199254740991", 0), ("page=9007199254740992", 10002),
     ("pageSize=0", 10002), ("pageSize=1000", 0), ("pageSize=1001", 10002), ("pageSize=1&page=2", 0),
     ("page=1&page=2", 10002), ("page=1.0", 10002)],
)  # fmt: skip
def test_pages_far_away_are_empty_and_others_refused(query: str, code: int, failures: list[str]) -> None:
    answer = start("aitoearn").get(f"{CREATES['aitoearn'][0]}?{query}").json()
    assert answer["code"] == code
    assert code or answer["data"]["list"] == []


def test_another_keys_job_is_no_cursor(failures: list[str]) -> None:
    service = start("openai")
    id = service.post("/videos", json={"prompt": "x"}).json()["id"]
    assert service.get(f"/videos?after={id}").status_code == 200
    stranger = {"authorization": "Bearer sk-somebody-else"}
    answer = service.get(f"/videos?after={id}", headers=stranger)
    unknown = service.get(f"/videos?after={'x' * len(id)}", headers=stranger)
    assert (answer.status_code, answer.text.replace(id, "")) == (400, unknown.text.replace("x" * len(id), ""))


@pytest.mark.parametrize(
    "value",
    ["", " ", "Bearer", "Bearer ", "Bearer a b", "Bearer \xff\xfe", f"Bearer {'k' * 5000}", "Basic YTpi", "Digest x",
     "sk-abc", "Bearer\tsk", "Bearer invalid", "BEARER Invalid-key", "Bearer invalid-" + "x" * 4000],
)  # fmt: skip
def test_keys_that_are_none(value: str, failures: list[str]) -> None:
    answer = start("openai", key="").get("/videos", headers={"authorization": value.encode("latin-1")})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert len(answer.json()["error"]["message"]) < 200
    assert "x" * 20 not in answer.text


def test_of_two_keys_the_last_counts_and_they_are_not_mixed(server: Server) -> None:
    raw = f"GET {server.videos} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nAuthorization: Bearer invalid\r\n\r\n"
    assert ask(server, raw.encode()).status == 401


def test_the_sandbox_that_was_idle_longest_makes_room_and_begins_anew(
    monkeypatch: pytest.MonkeyPatch, failures: list[str]
) -> None:
    monkeypatch.setattr(sandbox, "MAX_SANDBOXES", 2)
    service = start("openai")
    seen = []
    for key in ("one", "two", "three", "three", "one"):
        headers = {"authorization": f"Bearer sk-{key}"}
        service.post("/videos", json={"prompt": "x"}, headers=headers)
        seen.append(len(service.get("/videos", headers=headers).json()["data"]))
    assert seen == [1, 1, 1, 2, 1]


def test_a_clock_beyond_the_year_9999_is_told_as_its_end(failures: list[str]) -> None:
    service = start("aitoearn", at=1e12)
    path, arguments = CREATES["aitoearn"]
    id = service.post(path, **arguments).json()["data"]["id"]
    assert service.get(f"{path}/{id}").json()["data"]["submittedAt"].startswith("9999-12-31")
