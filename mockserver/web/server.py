"""The process that serves: engines built from providers, a socket, and uvicorn."""

import errno
import gc
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mockserver.clock import Clock, ClockMode
from mockserver.engine.engine import Engine
from mockserver.engine.security import KeyPolicy
from mockserver.errors import StartError
from mockserver.loading.providers import bundled
from mockserver.message import Request
from mockserver.plans.reading import known
from mockserver.provider import Provider
from mockserver.realtime import real_clock
from mockserver.sandbox.sandbox import Sandboxes
from mockserver.stores.memory import DEFAULT_MAX_JOBS
from mockserver.web.access import ControlAccess
from mockserver.web.app import App, Limits


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user can set for a run. `api_keys` empty: any well-formed key; `poll_after_ms` None: from the speed;
    `lenient`: ids that nobody created stand for finished jobs, and keys may hold spaces. `clock` None: real or scaled,
    by the speed. `scenario` and `drifts` are on for all sandboxes from the start, by name. `magic`: prompts and models
    may name scenarios. `control_token` '': the control API needs none; `allowed_hosts` are further names under which it
    may be called.
    """

    host: str = "127.0.0.1"
    port: int = 4747
    speed: float = 1.0
    seed: int = 0
    api_keys: tuple[str, ...] = ()
    auth: bool = True
    poll_after_ms: int | None = None
    public_url: str = ""
    max_jobs: int = DEFAULT_MAX_JOBS
    lenient: bool = False
    clock: ClockMode | None = None
    scenario: str = ""
    scenario_files: tuple[str, ...] = ()
    drifts: tuple[str, ...] = ()
    drift_files: tuple[str, ...] = ()
    magic: bool = True
    control: bool = True
    control_token: str = ""
    allowed_hosts: tuple[str, ...] = ()
    webhook_hosts: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)


class LazyMedia:
    """The media library, imported when the first result is asked for: most runs never ask."""

    def __init__(self) -> None:
        self._library: object | None = None

    def __getattr__(self, name: str) -> Callable[..., object]:
        if self._library is None:
            from mockserver.media.library import MediaLibrary

            self._library = MediaLibrary(bundled("fixtures") / "media")
        made: Callable[..., object] = getattr(self._library, name)
        return made


def build_app(providers: dict[str, Provider], settings: Settings, clock: Clock | None = None) -> App:
    """The application that serves providers below their prefixes ('' for the root)."""
    media = LazyMedia()
    sandboxes = build_sandboxes(settings, clock)
    engines = {
        prefix: Engine(
            provider,
            sandboxes,
            media,  # type: ignore[arg-type]  # it has the methods of the library that it stands for
            policy=key_policy(provider, settings),
            lenient=settings.lenient,
            on_error=report_error,
        )
        for prefix, provider in providers.items()
    }
    access = ControlAccess(settings.control_token, frozenset(settings.allowed_hosts)) if settings.control else None
    return App(engines, sandboxes, public_url=settings.public_url, limits=settings.limits, access=access)


def build_sandboxes(settings: Settings, clock: Clock | None = None) -> Sandboxes:
    """The sandboxes of a server, with what is switched on from the start. Raises DeclarationError for unknown names."""

    def plans() -> Any:  # read when first asked for: most runs never do
        from mockserver.loading import plans

        return plans

    sandboxes = Sandboxes(
        clock or real_clock(settings.speed, settings.clock),
        seed=settings.seed,
        max_jobs=settings.max_jobs,
        on_full=partial(report_full, settings.max_jobs),
        poll_after_ms=settings.poll_after_ms,
        magic=settings.magic,
        webhook_hosts=frozenset(settings.webhook_hosts),
        load_scenarios=lambda: plans().load_scenarios(settings.scenario_files),
        load_drifts=lambda: plans().load_drifts(settings.drift_files),
    )
    if settings.scenario_files:  # what is wrong with a file is said at the start
        assert sandboxes.scenarios is not None
    if settings.drift_files:
        assert sandboxes.known_drifts is not None
    if settings.scenario:
        sandboxes.server.switch_on(known(sandboxes.scenarios, settings.scenario, "--scenario"))
    for name in settings.drifts:
        sandboxes.server.drifts[name] = known(sandboxes.known_drifts, name, "--drift")
    return sandboxes


def key_policy(provider: Provider, settings: Settings) -> KeyPolicy:
    """Which keys a provider accepts."""
    return KeyPolicy(
        provider.contract.refused_keys, settings.api_keys, off=not settings.auth, any_form=settings.lenient
    )


def renew(app: App, prefix: str, provider: Provider, settings: Settings) -> None:
    """Serve a changed contract from now on, with the jobs that there are."""
    app.replace(prefix, app.engine(prefix).renewed(provider, key_policy(provider, settings)))


def report_full(max_jobs: int, name: str) -> None:
    """Say once that jobs are being dropped: a client may miss one."""
    text = f"mockserver: {name} has {max_jobs} jobs; from now on the one that finished first makes room (--max-jobs)."
    print(text, file=sys.stderr)


def report_error(error: BaseException, request: Request) -> None:
    """Tell the person at the terminal; headers and body are left out, since they hold keys and prompts."""
    print(f"mockserver: internal error at {request.method} {request.path}", file=sys.stderr)
    traceback.print_exception(error, file=sys.stderr)


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket. Raises StartError that says what to do if the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        hint = " Try --port 0 for a free one." if error.errno in (errno.EADDRINUSE, errno.EACCES) else ""
        raise StartError(f"cannot listen on {host}:{port}: {error.strerror}.{hint}") from None
    except OverflowError:
        sock.close()
        raise StartError(f"--port is {port}; a port is a number from 0 to 65535.") from None
    return sock


def while_starting() -> None:
    """Keep Python's cycle collector out of the reading: a document makes many objects, and all of them stay."""
    gc.disable()


def tune_collector() -> None:
    """Let the collector run seldom: requests leave no cycles, and each full run looks at every job."""
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(100_000, 50, 1000)


def serve(app: App, sock: socket.socket, ready: Callable[[], None], done: Callable[[], None] = lambda: None) -> None:
    """Serve until interrupted; `ready` is called once requests are answered, `done` when no more will be."""
    import uvicorn

    from mockserver.web.protocol import gathering_protocol

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        http=gathering_protocol(app.limits),
        timeout_keep_alive=75,  # clients keep idle connections for 5 s or so: they are to close them first
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=3,
        server_header=False,
        proxy_headers=False,  # X-Forwarded-* is nobody's word; links are built from Host or --public-url
    )
    tune_collector()
    try:
        with suppress(KeyboardInterrupt):
            Server(config).run(sockets=[sock])
    finally:
        done()
