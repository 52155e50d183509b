"""A thin client of the control API: `Control`, and `AsyncControl` for code that awaits.

Answers are the JSON that mockserver/control/openapi.yaml describes; `sandbox` is an id, or `server` for all together.
"""

from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar
from urllib.parse import quote

from mockserver.errors import MockserverError
from mockserver.message import CONTROL

if TYPE_CHECKING:
    import httpx2

SERVER = "server"
TIMEOUT = 60.0  # seconds; advancing a clock waits for webhooks
Json = dict[str, Any]
R = TypeVar("R")  # what a call gives: the JSON, or what is to be awaited for it


class ControlRefused(MockserverError):
    """What the control API refused, or that it could not be reached (status 0)."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def _read(response: "httpx2.Response") -> Json:
    try:
        data = response.json()
    except ValueError:
        data = None
    if response.status_code == 200 and data is not None:
        found: Json = data
        return found
    error = data.get("error") if isinstance(data, dict) else None
    if not isinstance(error, dict):
        raise ControlRefused(
            response.status_code, "unknown", f"{response.url} is no control API: HTTP {response.status_code}."
        )
    raise ControlRefused(response.status_code, str(error.get("code")), str(error.get("message")))


def _root(url: str) -> str:
    """The address of a server, whatever path of it was given."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
    except ValueError as error:
        raise ControlRefused(0, "unreachable", f"{url[:200]!r} is no address: {error}.") from None
    return f"{parts.scheme}://{parts.netloc}{CONTROL.rstrip('/')}"


def _headers(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"} if token else {}


def _at(path: str) -> str:
    return quote(path, safe="")


class _Operations(Generic[R]):
    """The operations of the control API, each a call."""

    def call(self, method: str, path: str, json: Any = None, params: Json | None = None) -> R:
        """What an operation answers. Raises ControlRefused."""
        raise NotImplementedError

    def health(self) -> R:
        """Whether the server answers, and what it serves."""
        return self.call("GET", "/health")

    def reset(self) -> R:
        """Forget all sandboxes and switch all off."""
        return self.call("POST", "/reset")

    def scenarios(self) -> R:
        """All scenarios that are known."""
        return self.call("GET", "/scenarios")

    def drifts(self) -> R:
        """All drifts that are known."""
        return self.call("GET", "/drifts")

    def sandboxes(self) -> R:
        """All sandboxes, those used last first."""
        return self.call("GET", "/sandboxes")

    def open_sandbox(self, api_key: str | None = None, **more: Any) -> R:
        """The sandbox of a key, made if there is none; without a key one is made up. `more`: name, seed, clock."""
        return self.call("POST", "/sandboxes", json={**({} if api_key is None else {"api_key": api_key}), **more})

    def sandbox(self, sandbox: str = SERVER) -> R:
        """One sandbox."""
        return self.call("GET", f"/sandboxes/{_at(sandbox)}")

    def change_sandbox(self, sandbox: str, **changes: Any) -> R:
        """Change its name or seed."""
        return self.call("PATCH", f"/sandboxes/{_at(sandbox)}", json=changes)

    def delete_sandbox(self, sandbox: str) -> R:
        """Forget a sandbox with all that it has."""
        return self.call("DELETE", f"/sandboxes/{_at(sandbox)}")

    def reset_sandbox(self, sandbox: str = SERVER, keep: Sequence[str] = ()) -> R:
        """Begin anew; `keep` may name journal and switches."""
        return self.call("POST", f"/sandboxes/{_at(sandbox)}/reset", json={"keep": list(keep)})

    def export_state(self, sandbox: str = SERVER) -> R:
        """All that the sandbox has, but keys and secrets."""
        return self.call("GET", f"/sandboxes/{_at(sandbox)}/state")

    def import_state(self, state: Json, sandbox: str = SERVER) -> R:
        """Replace what it has by an exported state."""
        return self.call("PUT", f"/sandboxes/{_at(sandbox)}/state", json=state)

    def clock(self, sandbox: str = SERVER) -> R:
        """The clock of the sandbox."""
        return self.call("GET", f"/sandboxes/{_at(sandbox)}/clock")

    def set_clock(self, mode: str, sandbox: str = SERVER, **more: Any) -> R:
        """Give it a clock, or change it: real, scaled (rate=60), frozen, skipping. `more`: rate, now."""
        return self.call("POST", f"/sandboxes/{_at(sandbox)}/clock", json={"mode": mode, **more})

    def delete_clock(self, sandbox: str = SERVER) -> R:
        """Go back to the server's clock."""
        return self.call("DELETE", f"/sandboxes/{_at(sandbox)}/clock")

    def advance(self, by: str | float | None = None, *, to: str | None = None, sandbox: str = SERVER) -> R:
        """Move the clock forward, by a duration (`90s`) or to an instant; what falls due has then happened."""
        return self.call(
            "POST", f"/sandboxes/{_at(sandbox)}/clock/advance", json={"to": to} if by is None else {"by": by}
        )

    def jobs(self, sandbox: str = SERVER, **filters: Any) -> R:
        """Its jobs, oldest first."""
        return self.call("GET", f"/sandboxes/{_at(sandbox)}/jobs", params=filters)

    def job(self, job: str, sandbox: str = SERVER) -> R:
        """One job."""
        return self.call("GET", f"/sandboxes/{_at(sandbox)}/jobs/{_at(job)}")

    def force_job(self, job: str, state: str, sandbox: str = SERVER, error: Json | None = None) -> R:
        """Force a job to a state; `error` is what a failed one says."""
        return self.call(
            "PATCH",
            f"/sandboxes/{_at(sandbox)}/jobs/{_at(job)}",
            json={"state": state, **({} if error is None else {"error": error})},
        )

    def delete_job(self, job: str, sandbox: str = SERVER) -> R:
        """Delete a job."""
        return self.call("DELETE", f"/sandboxes/{_at(sandbox)}/jobs/{_at(job)}")

    def active_scenarios(self, sandbox: str = SERVER) -> R:
        """The scenarios that are switched on."""
        return self.call("GET", f"/sandboxes/{_at(sandbox)}/scenarios")

    def activate_scenario(
        self, name: str, times: int | None = None, sandbox: str = SERVER, definition: Json | None = None
    ) -> R:
        """Switch a scenario on, for the next so many requests or for good."""
        return self.call(
            "POST",
            f"/sandboxes/{_at(sandbox)}/scenarios",
            json={
                key: value
                for key, value in {"name": name, "times": times, "definition": definition}.items()
                if value is not None
            },
        )

    def deactivate_scenario(self, activation: str, sandbox: str = SERVER) -> R:
        """Switch one off, by its id or its scenario's name."""
        return self.call("DELETE", f"/sandboxes/{_at(sandbox)}/scenarios/{_at(activation)}")

    def deactivate_scenarios(self, sandbox: str = SERVER) -> R:
        """Switch all off."""
        return self.call("DELETE", f"/sandboxes/{_at(sandbox)}/scenarios")

    def active_drifts(self, sandbox: str = SERVER) -> R:
        """The drifts that are switched on."""
        return self.call("GET", f"/sandboxes/{_at(sandbox)}/drifts")

    def set_drifts(self, names: Sequence[str], sandbox: str = SERVER) -> R:
        """Switch on just these drifts."""
        return self.call("PUT", f"/sandboxes/{_at(sandbox)}/drifts", json={"names": list(names)})

    def progressions(self, sandbox: str = SERVER) -> R:
        """What moves jobs on, by model."""
        return self.call("GET", f"/sandboxes/{_at(sandbox)}/progressions")

    def set_progressions(self, progressions: Json, sandbox: str = SERVER) -> R:
        """Say what moves jobs on: `{"*": {"by": "polls", "polls": 3}}`."""
        return self.call("PUT", f"/sandboxes/{_at(sandbox)}/progressions", json=progressions)

    def webhooks(self, sandbox: str = SERVER) -> R:
        """The endpoints that are told of the ends of jobs."""
        return self.call("GET", f"/sandboxes/{_at(sandbox)}/webhooks")

    def add_webhook(self, url: str, sandbox: str = SERVER, **more: Any) -> R:
        """Tell an endpoint of the ends of jobs. `more`: secret, events, faults."""
        return self.call("POST", f"/sandboxes/{_at(sandbox)}/webhooks", json={"url": url, **more})

    def delete_webhook(self, webhook: str, sandbox: str = SERVER) -> R:
        """Tell an endpoint no more."""
        return self.call("DELETE", f"/sandboxes/{_at(sandbox)}/webhooks/{_at(webhook)}")

    def deliveries(self, sandbox: str = SERVER) -> R:
        """What was told, or will be."""
        return self.call("GET", f"/sandboxes/{_at(sandbox)}/webhooks/deliveries")

    def journal(self, sandbox: str = SERVER, **filters: Any) -> R:
        """The exchanges, oldest first, with secrets masked."""
        return self.call("GET", f"/sandboxes/{_at(sandbox)}/journal", params=filters)

    def clear_journal(self, sandbox: str = SERVER) -> R:
        """Forget the exchanges."""
        return self.call("DELETE", f"/sandboxes/{_at(sandbox)}/journal")

    def har(self, sandbox: str = SERVER, **filters: Any) -> R:
        """The exchanges as HAR 1.2."""
        return self.call("GET", f"/sandboxes/{_at(sandbox)}/journal.har", params=filters)

    def verdict(self, sandbox: str = SERVER, strict: bool = False) -> R:
        """A verdict on the client."""
        return self.call("GET", f"/sandboxes/{_at(sandbox)}/verdict", params={"strict": str(strict).lower()})


class Control(_Operations[Json]):
    """The control API of a server at `url`. Raises ControlRefused."""

    def __init__(self, url: str, *, token: str = "", http: "httpx2.Client | None" = None) -> None:
        """`http` is a client to use (one that calls an app in this process, say)."""
        import httpx2

        self._root = _root(url)
        self._headers = _headers(token)
        self._http = http or httpx2.Client(timeout=TIMEOUT, trust_env=False)

    def call(self, method: str, path: str, json: Any = None, params: Json | None = None) -> Json:
        import httpx2

        address = f"{self._root}{path}"
        try:
            response = self._http.request(method, address, json=json, params=params, headers=self._headers)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ControlRefused(0, "unreachable", f"{address} could not be reached: {error}.") from None
        return _read(response)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncControl(_Operations[Coroutine[Any, Any, Json]]):
    """The control API of a server at `url`, for code that awaits. Raises ControlRefused."""

    def __init__(self, url: str, *, token: str = "", http: "httpx2.AsyncClient | None" = None) -> None:
        """`http` is a client to use (one that calls an app in this process, say)."""
        import httpx2

        self._root = _root(url)
        self._headers = _headers(token)
        self._http = http or httpx2.AsyncClient(timeout=TIMEOUT, trust_env=False)

    def call(self, method: str, path: str, json: Any = None, params: Json | None = None) -> Coroutine[Any, Any, Json]:
        return self._ask(method, path, json, params)

    async def _ask(self, method: str, path: str, json: Any = None, params: Json | None = None) -> Json:
        import httpx2

        address = f"{self._root}{path}"
        try:
            response = await self._http.request(method, address, json=json, params=params, headers=self._headers)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ControlRefused(0, "unreachable", f"{address} could not be reached: {error}.") from None
        return _read(response)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
