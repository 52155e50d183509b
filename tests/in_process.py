"""An application in this process on a clock that tests move, called over ASGI by a real HTTP client."""

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import httpx2

from mockserver.clock import Clock, ClockMode
from mockserver.jobs.resource import Contract
from mockserver.loading.providers import bundled_names, load_provider
from mockserver.provider import Provider
from mockserver.realtime import steady_time
from mockserver.web.server import Settings, build_app

START = 1_790_000_000.25  # an instant in 2026, not on a whole second
KEY = "sk-test-0123456789"


@dataclass
class Service:
    """One provider in this process: its clock, and a client that sends the key as the provider wants it."""

    provider: Provider
    clock: Clock
    client: httpx2.AsyncClient

    def request(self, method: str, path: str, **kwargs: Any) -> httpx2.Response:
        """One request, on the path as the document writes it."""
        return run(self.client.request(method, path, **kwargs))

    def get(self, path: str, **kwargs: Any) -> httpx2.Response:
        return self.request("GET", path, **kwargs)

    def post(self, path: str, **kwargs: Any) -> httpx2.Response:
        return self.request("POST", path, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> httpx2.Response:
        return self.request("DELETE", path, **kwargs)


T = TypeVar("T")
_LOOP = asyncio.new_event_loop()


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, on one loop for all tests of this process."""
    return _LOOP.run_until_complete(work)


def frozen_clock(at: float = START) -> Clock:
    """A clock that stands still until it is advanced."""
    return Clock(steady_time, ClockMode.FROZEN, now=at)


def key_headers(contract: Contract, key: str = KEY) -> dict[str, str]:
    """The headers that carry a key for a contract."""
    schemes = (contract.document.root.get("components") or {}).get("securitySchemes") or {}
    for scheme in schemes.values():
        if scheme.get("type") == "apiKey":
            return {scheme["name"]: key}
    return {"Authorization": f"Bearer {key}"}


def start(
    spec: str | Provider, *, key: str = KEY, rate: float | None = None, at: float = START, **settings: Any
) -> Service:
    """A provider, ready to be called, at an instant. `rate` makes that share of its jobs fail."""
    provider = load_provider(spec) if isinstance(spec, str) else spec
    if rate is not None:
        provider = failing(provider, rate)
    clock = frozen_clock(at)
    app = build_app({"": provider}, Settings(**settings), clock)
    client = httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app),
        base_url="http://mock.test",
        headers=key_headers(provider.contract, key) if key else {},
    )
    return Service(provider, clock, client)


def failing(provider: Provider, rate: float) -> Provider:
    """The same provider, whose jobs fail at this rate."""
    contract = provider.contract
    resources = tuple(replace(r, profile=replace(r.profile, failure_rate=rate, models={})) for r in contract.resources)
    return replace(provider, contract=replace(contract, resources=resources))


def providers() -> Iterator[Provider]:
    """All bundled providers."""
    return (load_provider(name) for name in bundled_names())


CREATES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "openai": ("/videos", {"json": {"prompt": "a cat", "seconds": "8", "size": "1280x720"}}),
    "hingnet-sora": ("/v1/videos", {"json": {"prompt": "a cat", "seconds": 8, "size": "1280x720"}}),
    "hingnet-veo": (
        "/v1/videos",
        {"json": {"model": "veo-3.1-generate-preview", "prompt": "a cat", "seconds": 6, "size": "1280x720"}},
    ),
    "aitoearn": (
        "/api/ai/video/generations",
        {"json": {"model": "m", "prompt": "a cat", "duration": 5, "ratio": "16:9", "resolution": "720p"}},
    ),
    "agicto-sora": (
        "/v1/videos",
        {
            "files": {
                "model": (None, "sora-2"),
                "prompt": (None, "a cat"),
                "seconds": (None, "10"),
                "size": (None, "720x1280"),
            }
        },
    ),
}
