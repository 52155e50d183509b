"""Who may call the control API."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "[::1]"})


@dataclass(frozen=True, slots=True)
class ControlAccess:
    """Who may call the control API.

    `token` '': whoever is on this machine; then `hosts` are the names, besides those of loopback, under which the
    server may be called, so that a page from elsewhere cannot reach it under a name of its own (DNS rebinding).
    """

    token: str = ""
    hosts: frozenset[str] = frozenset()

    def refusal(self, headers: Mapping[str, str]) -> tuple[int, str, str] | None:
        """Status, code and message for a request that is refused."""
        given = headers.get("authorization", "")
        if self.token and not hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
            return (401, "unauthenticated", "The control API needs its token: Authorization: Bearer TOKEN.")
        host = headers.get("host", "")
        name = _host_name(host)
        if not self.token and name not in LOOPBACK and name not in {host.lower() for host in self.hosts}:
            return (
                403,
                "wrong_host",
                f"The control API is not called as {name[:100]!r}. Use 127.0.0.1 or localhost, or --allowed-host.",
            )
        origin = headers.get("origin")
        if origin is not None and _site_of(origin) != host.lower():
            return (403, "wrong_origin", "The control API is not for pages from elsewhere.")
        return None


def _site_of(origin: str) -> str | None:
    """The host of an Origin header, with its port; None for one that is none."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def _host_name(host: str) -> str:
    """A Host header without its port."""
    if host.startswith("["):
        return (host.partition("]")[0] + "]").lower()
    return host.partition(":")[0].lower()
