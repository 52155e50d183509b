"""The pytest plugin: `mockserver` gives each test a sandbox of its own, on one server a session."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx2

    from mockserver.client import Control
    from mockserver.web.app import App

MARK = "mockserver"
OPTIONS = {"spec", "clock", "rate", "now", "seed", "scenario", "drift", "in_process"}
PATIENCE = 30.0  # seconds for the server to start and to stop
IN_PROCESS = "http://mockserver.test"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mockserver")
    group.addoption("--mockserver-spec", metavar="SPEC", help="Which provider, folder or file the fixture serves.")
    parser.addini("mockserver_spec", "Which provider, folder or file the `mockserver` fixture serves.", default="")
    parser.addini("mockserver_clock", "The clock of each test: real, scaled, frozen or skipping.", default="")
    parser.addini("mockserver_url_env", "Variables that are set to the server's address.", type="args", default=None)
    parser.addini("mockserver_key_env", "Variables that are set to the test's API key.", type="args", default=None)


def pytest_configure(config: pytest.Config) -> None:
    known = ", ".join(sorted(OPTIONS))
    config.addinivalue_line("markers", f"{MARK}({known}): how the `mockserver` fixture is set up for this test.")


class Usage(ValueError):
    """What is wrong with how the fixture is used."""


class SandboxClock:
    """The clock of a test's sandbox."""

    def __init__(self, control: "Control", sandbox: str) -> None:
        self._control = control
        self._sandbox = sandbox

    def advance(self, by: str | float | None = None, *, to: str | None = None) -> str:
        """Move forward by a duration (`90s`, `PT1M30S`, seconds) or to an instant; gives the instant then."""
        return str(self._control.advance(by, to=to, sandbox=self._sandbox)["now"])

    def freeze(self, now: str | None = None) -> None:
        """Let time stand still."""
        self._set("frozen", now)

    def skip(self) -> None:
        """Let each poll of an unfinished job move time to its next event."""
        self._set("skipping", None)

    def scale(self, rate: float) -> None:
        """Let time run so many times as fast as on the machine."""
        self._control.set_clock("scaled", self._sandbox, rate=rate)

    def _set(self, mode: str, now: str | None) -> None:
        self._control.set_clock(mode, self._sandbox, **({} if now is None else {"now": now}))

    @property
    def now(self) -> str:
        """The instant as RFC 3339."""
        return str(self._control.clock(self._sandbox)["now"])


class MockServer:
    """What a test has: an address, a key, and control of all that happens below them."""

    def __init__(self, running: "Running", prefix: str, sandbox: str, api_key: str, in_process: bool) -> None:
        self._running = running
        self._in_process = in_process
        self.control = running.control
        self.sandbox = sandbox
        self.api_key = api_key
        self.url = f"{IN_PROCESS if in_process else running.address}{prefix}"
        self.clock = SandboxClock(running.control, sandbox)

    def scenario(self, name: str, times: int | None = None, definition: dict[str, Any] | None = None) -> None:
        """Switch a scenario on, for the next so many requests or for good; `definition` makes one of your own."""
        self.control.activate_scenario(name, times, self.sandbox, definition)

    def drift(self, *names: str) -> None:
        """Break the contract in these ways from now on; without names, in none."""
        self.control.set_drifts(names, self.sandbox)

    def progression(self, by: str, polls: int | None = None, model: str = "*") -> None:
        """Let jobs move on by time, by so many polls, or immediately."""
        entry = {"by": by, **({} if polls is None else {"polls": polls})}
        self.control.set_progressions({**self.control.progressions(self.sandbox), model: entry}, self.sandbox)

    @property
    def journal(self) -> list[dict[str, Any]]:
        """The exchanges of this test so far, oldest first."""
        return list(self.control.journal(self.sandbox)["data"])

    @property
    def jobs(self) -> list[dict[str, Any]]:
        """The jobs of this test, oldest first."""
        return list(self.control.jobs(self.sandbox)["data"])

    def force(self, job: str, state: str, error: dict[str, Any] | None = None) -> dict[str, Any]:
        """Force a job to a state."""
        return self.control.force_job(job, state, self.sandbox, error)

    def verdict(self, strict: bool = False) -> dict[str, Any]:
        """What is to be said of the client that this test has run."""
        return self.control.verdict(self.sandbox, strict)

    def http_client(self, **more: Any) -> "httpx2.Client":
        """A client for SDKs that take one; in process, it calls the application without a socket."""
        import httpx2

        own: dict[str, Any] = {"transport": self._running.transport()} if self._in_process else {"trust_env": False}
        return httpx2.Client(**{**own, **more})

    def async_http_client(self, **more: Any) -> "httpx2.AsyncClient":
        """The same for code that awaits."""
        import httpx2

        own: dict[str, Any] = {"trust_env": False}
        if self._in_process:
            own = {"transport": httpx2.ASGITransport(self._running.app)}
        return httpx2.AsyncClient(**{**own, **more})


class Loop:
    """An event loop in a thread of its own, for what has to be awaited in tests that do not."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="mockserver", daemon=True)
        self._thread.start()

    def run(self, work: Any) -> Any:
        """The result of a coroutine."""
        found: Future[Any] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return found.result()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)
        self.loop.close()


class Running:
    """One application: served on a port of its own, or called in this process."""

    def __init__(self, spec: str, in_process: bool) -> None:
        from mockserver.client import Control
        from mockserver.loading.providers import load
        from mockserver.web.server import Settings, build_app, open_socket

        loaded = load(spec, (), needs_job=False)
        self.base_path = loaded.provider.contract.document.base_path
        settings = Settings(seed=0, allowed_hosts=("mockserver.test",))
        self.app: App = build_app({"": loaded.provider}, settings)
        self._loop = Loop()
        self._stop: Callable[[], None] = lambda: None
        if in_process:
            import httpx2

            self.address = IN_PROCESS
            self.control = Control(IN_PROCESS, http=httpx2.Client(transport=self.transport()))
        else:
            sock = open_socket("127.0.0.1", 0)
            self.address = f"http://127.0.0.1:{sock.getsockname()[1]}"
            self._serve(sock)
            self.control = Control(self.address)

    def transport(self) -> "httpx2.BaseTransport":
        """What lets a client that does not await call the application."""
        import httpx2

        inner, loop = httpx2.ASGITransport(self.app), self._loop

        class Transport(httpx2.BaseTransport):
            def handle_request(self, request: httpx2.Request) -> httpx2.Response:
                request.read()

                async def answer() -> httpx2.Response:
                    made = httpx2.Request(request.method, request.url, headers=request.headers, content=request.content)
                    response = await inner.handle_async_request(made)
                    body = await response.aread()
                    return httpx2.Response(response.status_code, headers=response.headers, content=body)

                try:
                    found: httpx2.Response = loop.run(answer())
                except ConnectionError as error:  # a connection that a scenario breaks
                    raise httpx2.ReadError(str(error), request=request) from None
                return found

        return Transport()

    def _serve(self, sock: Any) -> None:
        import uvicorn

        from mockserver.web.protocol import gathering_protocol

        config = uvicorn.Config(
            self.app, log_level="warning", access_log=False, http=gathering_protocol(self.app.limits), ws="none",
            lifespan="on", timeout_graceful_shutdown=1, server_header=False,
        )  # fmt: skip
        started = threading.Event()

        class Announced(uvicorn.Server):
            async def startup(self, sockets: Any = None) -> None:
                await super().startup(sockets)
                started.set()

        server = Announced(config)
        done: Future[Any] = asyncio.run_coroutine_threadsafe(server.serve([sock]), self._loop.loop)
        if not started.wait(PATIENCE):
            raise RuntimeError(f"mockserver did not start within {PATIENCE:g} seconds")

        def stop() -> None:
            server.should_exit = True
            with suppress(TimeoutError):
                done.result(PATIENCE)

        self._stop = stop

    def close(self) -> None:
        """Stop serving."""
        self.control.close()
        self._stop()
        self._loop.close()


class Servers:
    """The applications of a session, by what they serve; each is started when a test first wants it."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, bool], Running] = {}

    def of(self, spec: str, in_process: bool) -> Running:
        key = (spec, in_process)
        if key not in self._running:
            self._running[key] = Running(spec, in_process)
        return self._running[key]

    def close(self) -> None:
        for running in self._running.values():
            running.close()


@pytest.fixture(scope="session")
def mockserver_servers() -> Iterator[Servers]:
    """The servers of this session; under xdist each worker has its own, on ports of their own."""
    servers = Servers()
    yield servers
    servers.close()


@pytest.fixture
def mockserver(
    request: pytest.FixtureRequest, mockserver_servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MockServer]:
    """A sandbox for this test alone, with the variables set that lead clients to it."""
    from mockserver.client import ControlRefused
    from mockserver.loading.plans import pytest_defaults

    defaults = pytest_defaults()
    options = _options(request.node)
    config = request.config
    spec = _spec(request, options.get("spec"))
    in_process = bool(options.get("in_process"))
    running = mockserver_servers.of(spec or defaults["spec"], in_process)
    api_key = f"sk-test-{blake2b(request.node.nodeid.encode(), digest_size=12).hexdigest()}"
    control = running.control
    sandbox = control.open_sandbox(api_key, name=request.node.nodeid[-200:])["sandbox"]["id"]
    control.reset_sandbox(sandbox)  # a test that is run again begins anew
    if "seed" in options:
        control.change_sandbox(sandbox, seed=options["seed"])
    mode = options.get("clock") or config.getini("mockserver_clock") or defaults["clock"]
    control.set_clock(mode, sandbox, **{name: options[name] for name in ("rate", "now") if name in options})
    made = MockServer(running, running.base_path, sandbox, api_key, in_process)
    for name in _several(options.get("scenario")):
        made.scenario(name)
    if drifts := _several(options.get("drift")):
        made.drift(*drifts)
    for name in config.getini("mockserver_url_env") or defaults["url"]:
        monkeypatch.setenv(name, made.url)
    for name in config.getini("mockserver_key_env") or defaults["key"]:
        monkeypatch.setenv(name, api_key)
    yield made
    with suppress(ControlRefused):  # the test may have deleted it
        control.delete_sandbox(sandbox)


def _spec(request: pytest.FixtureRequest, marked: str | None) -> str:
    """What is served: what the mark, the command line or the ini file says, each read against its own folder."""
    config = request.config
    ini = config.inipath.parent if config.inipath else config.rootpath
    said = (
        (marked, request.path.parent),
        (config.getoption("--mockserver-spec"), config.invocation_params.dir),
        (config.getini("mockserver_spec"), ini),
    )
    for spec, folder in said:
        if spec:
            return str(folder / spec) if (folder / spec).exists() else str(spec)
    return ""


def _options(node: Any) -> dict[str, Any]:
    """What the markers of a test say, the nearest first."""
    found: dict[str, Any] = {}
    for mark in node.iter_markers(MARK):
        if mark.args or (unknown := set(mark.kwargs) - OPTIONS):
            what = "arguments without a name" if mark.args else ", ".join(sorted(unknown))
            raise Usage(f"@pytest.mark.{MARK}: found {what}; known are {', '.join(sorted(OPTIONS))}.")
        found = {**mark.kwargs, **found}
    return found


def _several(value: str | Sequence[str] | None) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)
