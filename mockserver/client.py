"""A thin client of the control API: `Control`, and `AsyncControl` for code that awaits.

Answers are the JSON that mockserver/control/openapi.yaml describes; `sandbox` is an id, or `server` for all together.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from mockserver.errors import MockserverError

if TYPE_CHECKING:
    import httpx2

SERVER = "server"
PREFIX = "/__mockserver"
TIMEOUT = 60.0  # seconds; advancing a clock waits for webhooks
Json = dict[str, Any]


class ControlRefused(MockserverError):
    """What the control API refused, or that it could not be reached (status 0)."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def _read(response: "httpx2.Response") -> Any:
    try:
        data = response.json()
    except ValueError:
        data = None
    if response.status_code == 200 and data is not None:
        return data
    error = data.get("error") if isinstance(data, dict) else None
    if not isinstance(error, dict):
        raise ControlRefused(
            response.status_code, "unknown", f"{response.url} is no control API: HTTP {response.status_code}."
        )
    raise ControlRefused(response.status_code, str(error.get("code")), str(error.get("message")))


def _root(url: str) -> str:
    """The address of a server, whatever path of it was given."""
    from urllib.parse import urlsplit

    parts = urlsplit(url if "://" in url else f"http://{url}")
    return f"{parts.scheme}://{parts.netloc}{PREFIX}"


def _headers(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"} if token else {}


def _at(path: str) -> str:
    return quote(path, safe="")


class Control:
    """The control API of a server at `url`. Raises ControlRefused."""

    def __init__(self, url: str, *, token: str = "", http: "httpx2.Client | None" = None) -> None:
        """`http` is a client to use (one that calls an app in this process, say)."""
        import httpx2

        self._root = _root(url)
        self._headers = _headers(token)
        self._http = http or httpx2.Client(timeout=TIMEOUT, trust_env=False)

    def call(self, method: str, path: str, json: Any = None, params: Json | None = None) -> Any:
        """The JSON that an operation answers. Raises ControlRefused."""
        import httpx2

        address = f"{self._root}{path}"
        try:
            response = self._http.request(method, address, json=json, params=params, headers=self._headers)
        except httpx2.HTTPError as error:
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

    def health(self) -> Json:
        """Whether the server answers, and what it serves."""
        found: Json = self.call("GET", "/health")
        return found

    def reset(self) -> Json:
        """Forget all sandboxes and switch all off."""
        found: Json = self.call("POST", "/reset")
        return found

    def scenarios(self) -> Json:
        """All scenarios that are known."""
        found: Json = self.call("GET", "/scenarios")
        return found

    def drifts(self) -> Json:
        """All drifts that are known."""
        found: Json = self.call("GET", "/drifts")
        return found

    def sandboxes(self) -> Json:
        """All sandboxes, those used last first."""
        found: Json = self.call("GET", "/sandboxes")
        return found

    def open_sandbox(self, api_key: str | None = None, **more: Any) -> Json:
        """The sandbox of a key, made if there is none; without a key one is made up. `more`: name, seed, clock."""
        found: Json = self.call(
            "POST", "/sandboxes", json={**({} if api_key is None else {"api_key": api_key}), **more}
        )
        return found

    def sandbox(self, sandbox: str = SERVER) -> Json:
        """One sandbox."""
        found: Json = self.call("GET", f"/sandboxes/{_at(sandbox)}")
        return found

    def change_sandbox(self, sandbox: str, **changes: Any) -> Json:
        """Change its name or seed."""
        found: Json = self.call("PATCH", f"/sandboxes/{_at(sandbox)}", json=changes)
        return found

    def delete_sandbox(self, sandbox: str) -> Json:
        """Forget a sandbox with all that it has."""
        found: Json = self.call("DELETE", f"/sandboxes/{_at(sandbox)}")
        return found

    def reset_sandbox(self, sandbox: str = SERVER, keep: Sequence[str] = ()) -> Json:
        """Begin anew; `keep` may name journal and switches."""
        found: Json = self.call("POST", f"/sandboxes/{_at(sandbox)}/reset", json={"keep": list(keep)})
        return found

    def export_state(self, sandbox: str = SERVER) -> Json:
        """All that the sandbox has, but keys and secrets."""
        found: Json = self.call("GET", f"/sandboxes/{_at(sandbox)}/state")
        return found

    def import_state(self, state: Json, sandbox: str = SERVER) -> Json:
        """Replace what it has by an exported state."""
        found: Json = self.call("PUT", f"/sandboxes/{_at(sandbox)}/state", json=state)
        return found

    def clock(self, sandbox: str = SERVER) -> Json:
        """The clock of the sandbox."""
        found: Json = self.call("GET", f"/sandboxes/{_at(sandbox)}/clock")
        return found

    def set_clock(self, mode: str, sandbox: str = SERVER, **more: Any) -> Json:
        """Give it a clock, or change it: real, scaled (rate=60), frozen, skipping. `more`: rate, now."""
        found: Json = self.call("POST", f"/sandboxes/{_at(sandbox)}/clock", json={"mode": mode, **more})
        return found

    def delete_clock(self, sandbox: str = SERVER) -> Json:
        """Go back to the server's clock."""
        found: Json = self.call("DELETE", f"/sandboxes/{_at(sandbox)}/clock")
        return found

    def advance(self, by: str | float | None = None, *, to: str | None = None, sandbox: str = SERVER) -> Json:
        """Move the clock forward, by a duration (`90s`) or to an instant; what falls due has then happened."""
        found: Json = self.call(
            "POST", f"/sandboxes/{_at(sandbox)}/clock/advance", json={"to": to} if by is None else {"by": by}
        )
        return found

    def jobs(self, sandbox: str = SERVER, **filters: Any) -> Json:
        """Its jobs, oldest first."""
        found: Json = self.call("GET", f"/sandboxes/{_at(sandbox)}/jobs", params=filters)
        return found

    def job(self, job: str, sandbox: str = SERVER) -> Json:
        """One job."""
        found: Json = self.call("GET", f"/sandboxes/{_at(sandbox)}/jobs/{_at(job)}")
        return found

    def force_job(self, job: str, state: str, sandbox: str = SERVER, error: Json | None = None) -> Json:
        """Force a job to a state; `error` is what a failed one says."""
        found: Json = self.call(
            "PATCH",
            f"/sandboxes/{_at(sandbox)}/jobs/{_at(job)}",
            json={"state": state, **({} if error is None else {"error": error})},
        )
        return found

    def delete_job(self, job: str, sandbox: str = SERVER) -> Json:
        """Delete a job."""
        found: Json = self.call("DELETE", f"/sandboxes/{_at(sandbox)}/jobs/{_at(job)}")
        return found

    def active_scenarios(self, sandbox: str = SERVER) -> Json:
        """The scenarios that are switched on."""
        found: Json = self.call("GET", f"/sandboxes/{_at(sandbox)}/scenarios")
        return found

    def activate_scenario(
        self, name: str, times: int | None = None, sandbox: str = SERVER, definition: Json | None = None
    ) -> Json:
        """Switch a scenario on, for the next so many requests or for good."""
        found: Json = self.call(
            "POST",
            f"/sandboxes/{_at(sandbox)}/scenarios",
            json={
                key: value
                for key, value in {"name": name, "times": times, "definition": definition}.items()
                if value is not None
            },
        )
        return found

    def deactivate_scenario(self, activation: str, sandbox: str = SERVER) -> Json:
        """Switch one off, by its id or its scenario's name."""
        found: Json = self.call("DELETE", f"/sandboxes/{_at(sandbox)}/scenarios/{_at(activation)}")
        return found

    def deactivate_scenarios(self, sandbox: str = SERVER) -> Json:
        """Switch all off."""
        found: Json = self.call("DELETE", f"/sandboxes/{_at(sandbox)}/scenarios")
        return found

    def active_drifts(self, sandbox: str = SERVER) -> Json:
        """The drifts that are switched on."""
        found: Json = self.call("GET", f"/sandboxes/{_at(sandbox)}/drifts")
        return found

    def set_drifts(self, names: Sequence[str], sandbox: str = SERVER) -> Json:
        """Switch on just these drifts."""
        found: Json = self.call("PUT", f"/sandboxes/{_at(sandbox)}/drifts", json={"names": list(names)})
        return found

    def progressions(self, sandbox: str = SERVER) -> Json:
        """What moves jobs on, by model."""
        found: Json = self.call("GET", f"/sandboxes/{_at(sandbox)}/progressions")
        return found

    def set_progressions(self, progressions: Json, sandbox: str = SERVER) -> Json:
        """Say what moves jobs on: `{"*": {"by": "polls", "polls": 3}}`."""
        found: Json = self.call("PUT", f"/sandboxes/{_at(sandbox)}/progressions", json=progressions)
        return found

    def webhooks(self, sandbox: str = SERVER) -> Json:
        """The endpoints that are told of the ends of jobs."""
        found: Json = self.call("GET", f"/sandboxes/{_at(sandbox)}/webhooks")
        return found

    def add_webhook(self, url: str, sandbox: str = SERVER, **more: Any) -> Json:
        """Tell an endpoint of the ends of jobs. `more`: secret, events, faults."""
        found: Json = self.call("POST", f"/sandboxes/{_at(sandbox)}/webhooks", json={"url": url, **more})
        return found

    def delete_webhook(self, webhook: str, sandbox: str = SERVER) -> Json:
        """Tell an endpoint no more."""
        found: Json = self.call("DELETE", f"/sandboxes/{_at(sandbox)}/webhooks/{_at(webhook)}")
        return found

    def deliveries(self, sandbox: str = SERVER) -> Json:
        """What was told, or will be."""
        found: Json = self.call("GET", f"/sandboxes/{_at(sandbox)}/webhooks/deliveries")
        return found

    def journal(self, sandbox: str = SERVER, **filters: Any) -> Json:
        """The exchanges, oldest first, with secrets masked."""
        found: Json = self.call("GET", f"/sandboxes/{_at(sandbox)}/journal", params=filters)
        return found

    def clear_journal(self, sandbox: str = SERVER) -> Json:
        """Forget the exchanges."""
        found: Json = self.call("DELETE", f"/sandboxes/{_at(sandbox)}/journal")
        return found

    def har(self, sandbox: str = SERVER, **filters: Any) -> Json:
        """The exchanges as HAR 1.2."""
        found: Json = self.call("GET", f"/sandboxes/{_at(sandbox)}/journal.har", params=filters)
        return found

    def verdict(self, sandbox: str = SERVER, strict: bool = False) -> Json:
        """A verdict on the client."""
        found: Json = self.call("GET", f"/sandboxes/{_at(sandbox)}/verdict", params={"strict": str(strict).lower()})
        return found


class AsyncControl:
    """The control API of a server at `url`, for code that awaits. Raises ControlRefused."""

    def __init__(self, url: str, *, token: str = "", http: "httpx2.AsyncClient | None" = None) -> None:
        """`http` is a client to use (one that calls an app in this process, say)."""
        import httpx2

        self._root = _root(url)
        self._headers = _headers(token)
        self._http = http or httpx2.AsyncClient(timeout=TIMEOUT, trust_env=False)

    async def call(self, method: str, path: str, json: Any = None, params: Json | None = None) -> Any:
        """The JSON that an operation answers. Raises ControlRefused."""
        import httpx2

        address = f"{self._root}{path}"
        try:
            response = await self._http.request(method, address, json=json, params=params, headers=self._headers)
        except httpx2.HTTPError as error:
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

    async def health(self) -> Json:
        """Whether the server answers, and what it serves."""
        found: Json = await self.call("GET", "/health")
        return found

    async def reset(self) -> Json:
        """Forget all sandboxes and switch all off."""
        found: Json = await self.call("POST", "/reset")
        return found

    async def scenarios(self) -> Json:
        """All scenarios that are known."""
        found: Json = await self.call("GET", "/scenarios")
        return found

    async def drifts(self) -> Json:
        """All drifts that are known."""
        found: Json = await self.call("GET", "/drifts")
        return found

    async def sandboxes(self) -> Json:
        """All sandboxes, those used last first."""
        found: Json = await self.call("GET", "/sandboxes")
        return found

    async def open_sandbox(self, api_key: str | None = None, **more: Any) -> Json:
        """The sandbox of a key, made if there is none; without a key one is made up. `more`: name, seed, clock."""
        found: Json = await self.call(
            "POST", "/sandboxes", json={**({} if api_key is None else {"api_key": api_key}), **more}
        )
        return found

    async def sandbox(self, sandbox: str = SERVER) -> Json:
        """One sandbox."""
        found: Json = await self.call("GET", f"/sandboxes/{_at(sandbox)}")
        return found

    async def change_sandbox(self, sandbox: str, **changes: Any) -> Json:
        """Change its name or seed."""
        found: Json = await self.call("PATCH", f"/sandboxes/{_at(sandbox)}", json=changes)
        return found

    async def delete_sandbox(self, sandbox: str) -> Json:
        """Forget a sandbox with all that it has."""
        found: Json = await self.call("DELETE", f"/sandboxes/{_at(sandbox)}")
        return found

    async def reset_sandbox(self, sandbox: str = SERVER, keep: Sequence[str] = ()) -> Json:
        """Begin anew; `keep` may name journal and switches."""
        found: Json = await self.call("POST", f"/sandboxes/{_at(sandbox)}/reset", json={"keep": list(keep)})
        return found

    async def export_state(self, sandbox: str = SERVER) -> Json:
        """All that the sandbox has, but keys and secrets."""
        found: Json = await self.call("GET", f"/sandboxes/{_at(sandbox)}/state")
        return found

    async def import_state(self, state: Json, sandbox: str = SERVER) -> Json:
        """Replace what it has by an exported state."""
        found: Json = await self.call("PUT", f"/sandboxes/{_at(sandbox)}/state", json=state)
        return found

    async def clock(self, sandbox: str = SERVER) -> Json:
        """The clock of the sandbox."""
        found: Json = await self.call("GET", f"/sandboxes/{_at(sandbox)}/clock")
        return found

    async def set_clock(self, mode: str, sandbox: str = SERVER, **more: Any) -> Json:
        """Give it a clock, or change it: real, scaled (rate=60), frozen, skipping. `more`: rate, now."""
        found: Json = await self.call("POST", f"/sandboxes/{_at(sandbox)}/clock", json={"mode": mode, **more})
        return found

    async def delete_clock(self, sandbox: str = SERVER) -> Json:
        """Go back to the server's clock."""
        found: Json = await self.call("DELETE", f"/sandboxes/{_at(sandbox)}/clock")
        return found

    async def advance(self, by: str | float | None = None, *, to: str | None = None, sandbox: str = SERVER) -> Json:
        """Move the clock forward, by a duration (`90s`) or to an instant; what falls due has then happened."""
        found: Json = await self.call(
            "POST", f"/sandboxes/{_at(sandbox)}/clock/advance", json={"to": to} if by is None else {"by": by}
        )
        return found

    async def jobs(self, sandbox: str = SERVER, **filters: Any) -> Json:
        """Its jobs, oldest first."""
        found: Json = await self.call("GET", f"/sandboxes/{_at(sandbox)}/jobs", params=filters)
        return found

    async def job(self, job: str, sandbox: str = SERVER) -> Json:
        """One job."""
        found: Json = await self.call("GET", f"/sandboxes/{_at(sandbox)}/jobs/{_at(job)}")
        return found

    async def force_job(self, job: str, state: str, sandbox: str = SERVER, error: Json | None = None) -> Json:
        """Force a job to a state; `error` is what a failed one says."""
        found: Json = await self.call(
            "PATCH",
            f"/sandboxes/{_at(sandbox)}/jobs/{_at(job)}",
            json={"state": state, **({} if error is None else {"error": error})},
        )
        return found

    async def delete_job(self, job: str, sandbox: str = SERVER) -> Json:
        """Delete a job."""
        found: Json = await self.call("DELETE", f"/sandboxes/{_at(sandbox)}/jobs/{_at(job)}")
        return found

    async def active_scenarios(self, sandbox: str = SERVER) -> Json:
        """The scenarios that are switched on."""
        found: Json = await self.call("GET", f"/sandboxes/{_at(sandbox)}/scenarios")
        return found

    async def activate_scenario(
        self, name: str, times: int | None = None, sandbox: str = SERVER, definition: Json | None = None
    ) -> Json:
        """Switch a scenario on, for the next so many requests or for good."""
        found: Json = await self.call(
            "POST",
            f"/sandboxes/{_at(sandbox)}/scenarios",
            json={
                key: value
                for key, value in {"name": name, "times": times, "definition": definition}.items()
                if value is not None
            },
        )
        return found

    async def deactivate_scenario(self, activation: str, sandbox: str = SERVER) -> Json:
        """Switch one off, by its id or its scenario's name."""
        found: Json = await self.call("DELETE", f"/sandboxes/{_at(sandbox)}/scenarios/{_at(activation)}")
        return found

    async def deactivate_scenarios(self, sandbox: str = SERVER) -> Json:
        """Switch all off."""
        found: Json = await self.call("DELETE", f"/sandboxes/{_at(sandbox)}/scenarios")
        return found

    async def active_drifts(self, sandbox: str = SERVER) -> Json:
        """The drifts that are switched on."""
        found: Json = await self.call("GET", f"/sandboxes/{_at(sandbox)}/drifts")
        return found

    async def set_drifts(self, names: Sequence[str], sandbox: str = SERVER) -> Json:
        """Switch on just these drifts."""
        found: Json = await self.call("PUT", f"/sandboxes/{_at(sandbox)}/drifts", json={"names": list(names)})
        return found

    async def progressions(self, sandbox: str = SERVER) -> Json:
        """What moves jobs on, by model."""
        found: Json = await self.call("GET", f"/sandboxes/{_at(sandbox)}/progressions")
        return found

    async def set_progressions(self, progressions: Json, sandbox: str = SERVER) -> Json:
        """Say what moves jobs on: `{"*": {"by": "polls", "polls": 3}}`."""
        found: Json = await self.call("PUT", f"/sandboxes/{_at(sandbox)}/progressions", json=progressions)
        return found

    async def webhooks(self, sandbox: str = SERVER) -> Json:
        """The endpoints that are told of the ends of jobs."""
        found: Json = await self.call("GET", f"/sandboxes/{_at(sandbox)}/webhooks")
        return found

    async def add_webhook(self, url: str, sandbox: str = SERVER, **more: Any) -> Json:
        """Tell an endpoint of the ends of jobs. `more`: secret, events, faults."""
        found: Json = await self.call("POST", f"/sandboxes/{_at(sandbox)}/webhooks", json={"url": url, **more})
        return found

    async def delete_webhook(self, webhook: str, sandbox: str = SERVER) -> Json:
        """Tell an endpoint no more."""
        found: Json = await self.call("DELETE", f"/sandboxes/{_at(sandbox)}/webhooks/{_at(webhook)}")
        return found

    async def deliveries(self, sandbox: str = SERVER) -> Json:
        """What was told, or will be."""
        found: Json = await self.call("GET", f"/sandboxes/{_at(sandbox)}/webhooks/deliveries")
        return found

    async def journal(self, sandbox: str = SERVER, **filters: Any) -> Json:
        """The exchanges, oldest first, with secrets masked."""
        found: Json = await self.call("GET", f"/sandboxes/{_at(sandbox)}/journal", params=filters)
        return found

    async def clear_journal(self, sandbox: str = SERVER) -> Json:
        """Forget the exchanges."""
        found: Json = await self.call("DELETE", f"/sandboxes/{_at(sandbox)}/journal")
        return found

    async def har(self, sandbox: str = SERVER, **filters: Any) -> Json:
        """The exchanges as HAR 1.2."""
        found: Json = await self.call("GET", f"/sandboxes/{_at(sandbox)}/journal.har", params=filters)
        return found

    async def verdict(self, sandbox: str = SERVER, strict: bool = False) -> Json:
        """A verdict on the client."""
        found: Json = await self.call(
            "GET", f"/sandboxes/{_at(sandbox)}/verdict", params={"strict": str(strict).lower()}
        )
        return found
