"""A server that answers byte for byte as a test says, for services that no library would let a test write."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Answer = bytes | None  # None: nothing is said until the client goes


@contextmanager
def listening(respond: Callable[[bytes], Answer], endless: bytes = b"") -> Iterator[str]:
    """A server that answers one request of each connection, then says `endless` until the client goes."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    def one(connection: socket.socket) -> None:
        with connection:
            try:
                request = connection.recv(1 << 20)
                length = re.search(rb"(?i)\r\ncontent-length: (\d+)", request)
                while length and len(request.partition(b"\r\n\r\n")[2]) < int(length[1]):
                    request += connection.recv(1 << 20)
                said = respond(request)
                if said is None:
                    while connection.recv(1 << 16):
                        pass
                    return
                connection.sendall(said)
                while endless:
                    connection.sendall(endless)
            except OSError:
                pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    kind = headers or ("content-type: application/json",)
    head = "\r\n".join([f"HTTP/1.1 {status}", *kind, f"content-length: {len(body)}", "connection: close"])
    return head.encode() + b"\r\n\r\n" + body
