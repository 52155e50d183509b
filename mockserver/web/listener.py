"""`mockserver webhook listen`: a small server that shows what arrives at a webhook, and verifies it."""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from typing import Any

from mockserver.errors import StartError
from mockserver.instants import write_instant
from mockserver.realtime import steady_time
from mockserver.signing import SECRET, is_broken_secret, verifier

MAX_BODY = 1 << 20  # bytes of a delivery
MAX_SEEN = 10_000  # ids that are remembered
MAX_SHOWN = 200  # characters of an id or a name
SECONDS = 10.0  # for a request to arrive


Say = Callable[[str], None]


def listen(
    host: str = "127.0.0.1", port: int = 4848, secret: str = "", *, pretty: bool = False, say: Say = print
) -> None:
    """Show each delivery on a line until interrupted. Raises StartError for a secret or an address that cannot be used.

    Without a secret signatures are not verified; `pretty` prints each body too.
    """
    server = make_listener(host, port, secret, pretty=pretty, say=say)
    name, taken = server.server_address[:2]
    shown = str(name) if ":" not in str(name) else f"[{name!s}]"
    say(f"listening on http://{shown}:{taken}/" + ("" if secret else ", verifying nothing (--secret)"))
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        say("stopped")
    finally:
        server.server_close()


def make_listener(
    host: str, port: int, secret: str = "", *, pretty: bool = False, say: Say = print
) -> ThreadingHTTPServer:
    """The server, listening; each delivery is told to `say`. Raises StartError."""
    verify = _verifier(secret)
    seen: dict[str, None] = {}

    class Handler(BaseHTTPRequestHandler):
        timeout = SECONDS
        server_version, sys_version = "mockserver", ""

        def do_POST(self) -> None:
            length = self.headers.get("content-length", "")
            if not length.isdecimal() or int(length[:20]) > MAX_BODY:
                self._answer(413 if length.isdecimal() else 411)
                return
            body = self.rfile.read(int(length))
            headers = {name.lower(): value for name, value in self.headers.items()}
            id = headers.get("webhook-id", "")
            again = ", again" if id in seen else ""
            if id:
                seen[id] = None
                if len(seen) > MAX_SEEN:
                    del seen[next(iter(seen))]
            verdict = verify(body, headers)
            data = _read(body)
            say(f"{write_instant(steady_time())}  {_event_of(data)}  {_plain(id) or 'without an id'}  {verdict}{again}")
            if pretty:
                text = json.dumps(data, indent=2, ensure_ascii=False) if data is not None else repr(body[:MAX_SHOWN])
                say(text)
            self._answer(204 if verdict in ("verified", "not verified") else 400)

        do_PUT = do_POST

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("content-length", "0")
            if status == 411 or status == 413:
                self.close_connection = True
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: each delivery has its own line."""

    class Server(ThreadingHTTPServer):
        address_family = AF_INET6 if ":" in host else AF_INET
        daemon_threads = True

    try:
        return Server((host, port), Handler)
    except (OSError, OverflowError) as error:
        raise StartError(f"cannot listen on {host}:{port}: {error}. Try --port 0 for a free one.") from None


def _verifier(secret: str) -> Callable[[bytes, dict[str, str]], str]:
    """What says whether a delivery is signed with a secret: `verified`, or why not."""
    if not secret:
        return lambda body, headers: "not verified"
    if is_broken_secret(secret):
        raise StartError(f"--secret begins with {SECRET}, but base64 of 24 to 64 bytes does not follow.")
    problem_of = verifier(secret)

    def verify(body: bytes, headers: dict[str, str]) -> str:
        problem = problem_of(body, headers)
        return f"NOT VERIFIED: {problem}" if problem else "verified"

    return verify


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _event_of(data: Any) -> str:
    """What a delivery calls itself."""
    names = (data.get(key) for key in ("type", "event", "event_type")) if isinstance(data, dict) else ()
    return next((_plain(name) for name in names if isinstance(name, str) and name), "without a type")


def _plain(text: str) -> str:
    """A text that cannot move a terminal's cursor."""
    return "".join(c if c.isprintable() else "?" for c in text[:MAX_SHOWN])
