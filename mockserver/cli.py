"""The command line: `mockserver serve` and `mockserver inspect`."""

import json
import re
import sys
from collections.abc import Callable
from functools import partial, wraps
from math import isnan
from typing import TYPE_CHECKING, Any

import click

from mockserver import __version__
from mockserver.errors import MockserverError

if TYPE_CHECKING:
    from mockserver.provider import Provider

HELP = {"help_option_names": ["-h", "--help"]}


_STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def _say(line: str, *, err: bool = False) -> None:
    """Print words that come from files: with signs for what would steer the terminal, or has no encoding."""
    click.echo(_STEERING.sub(lambda found: ascii(found[0])[1:-1], line), err=err)


def _with_clear_errors(command: Callable[..., None]) -> Callable[..., None]:
    """What the user can mend is one message and an exit code, never a traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except MockserverError as error:
            _say(f"mockserver: {error}", err=True)
            sys.exit(error.exit_code)

    return wrapped


@click.group(context_settings=HELP)
@click.version_option(__version__, prog_name="mockserver")
def main() -> None:
    """Fake asynchronous generation APIs, simulated from their OpenAPI documents."""


@main.command()
@click.argument("spec", nargs=-1)
@click.option(
    "-p", "--port", default=4747, show_default=True, envvar="PORT", help="Port to listen on; 0 picks a free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--speed", default=1.0, show_default=True, type=click.FloatRange(0, 1e9, min_open=True),
              help="Virtual seconds that pass in one real second.")  # fmt: skip
@click.option("--seed", type=int, help="Repeat a run: the same ids and durations for the same requests.")
@click.option("--api-key", "api_keys", multiple=True, metavar="KEY", help="Accept only this key (repeatable).")
@click.option("--no-auth", is_flag=True, help="Accept requests without a key.")
@click.option(
    "--overlay",
    "overlays",
    multiple=True,
    metavar="FILE",
    help="Apply an OpenAPI Overlay to the document (repeatable).",
)
@click.option(
    "--public-url", default="", metavar="URL", help="Build result links on this address instead of the Host header."
)
@click.option(
    "--poll-after-ms",
    type=click.IntRange(0),
    help="What clients are told to wait between polls [default: 1000 / speed].",
)
@click.option("--reload", is_flag=True, help="Take up changes of the document and its overlays; jobs are kept.")
@click.option("--max-jobs", default=100_000, show_default=True, type=click.IntRange(1), help="Jobs kept a provider.")
@click.option("--lenient", is_flag=True, help="Let any id stand for a finished job, whatever was deleted before.")
@_with_clear_errors
def serve(
    spec: tuple[str, ...],
    port: int,
    host: str,
    speed: float,
    seed: int | None,
    api_keys: tuple[str, ...],
    no_auth: bool,
    overlays: tuple[str, ...],
    public_url: str,
    poll_after_ms: int | None,
    max_jobs: int,
    reload: bool,
    lenient: bool,
) -> None:
    """Serve all bundled providers, each below its own prefix, or one SPEC at the root.

    SPEC is a bundled provider's name, a folder with openapi.yaml (and overlay.yaml), or an OpenAPI file.
    Several are served below their names.
    """
    from mockserver.loading.providers import bundled_names, load
    from mockserver.realtime import fresh_seed
    from mockserver.web.background import Background
    from mockserver.web.server import Settings, build_app, open_socket, renew, while_starting
    from mockserver.web.server import serve as run

    if isnan(speed):
        raise click.BadParameter("a number is wanted.", param_hint="--speed")
    names = spec or tuple(bundled_names())
    if overlays and len(names) > 1:
        raise click.UsageError("--overlay needs exactly one SPEC, so that it is clear which document it changes.")
    while_starting()
    loaded = [load(name, overlays, needs_job=False) for name in names]
    prefixes = ["" if len(spec) == 1 else each.provider.name for each in loaded]
    providers = {prefix: each.provider for prefix, each in zip(prefixes, loaded, strict=True)}
    if len(providers) < len(loaded):
        raise click.UsageError(
            "Two of these documents have the same name; serve them from folders with names of their own."
        )
    if no_auth and api_keys:
        raise click.UsageError("--no-auth and --api-key contradict each other: give one of them.")
    if public_url and not public_url.startswith(("http://", "https://")):
        raise click.UsageError(f"--public-url is {public_url!r}; result links need one that begins with http(s)://.")
    given_seed = seed
    seed = fresh_seed() if given_seed is None else given_seed
    settings = Settings(host, port, speed, seed, api_keys, not no_auth, poll_after_ms, public_url, max_jobs, lenient)
    sock = open_socket(host, port)
    app = build_app(providers, settings)
    background = Background(
        dict(zip(prefixes, loaded, strict=True)),
        complain=partial(_say, err=True),
        tell=_say,
        take_up=(lambda prefix, provider: renew(app, prefix, provider, settings)) if reload else None,
        specs={prefix: (name, overlays) for prefix, name in zip(prefixes, names, strict=True)},
    )

    def ready() -> None:
        _announce(providers, _address(host, sock.getsockname()[1]))
        pace = "" if speed == 1 else f", {speed:g} virtual seconds a second"
        repeat = "" if given_seed is not None else " (--seed repeats this run)"
        links = f"; result links begin with {public_url}" if public_url else ""
        mode = "lenient: any id stands for a finished job" if lenient else "strict: only created ids are known"
        click.echo(f"seed {seed}{repeat}{pace}{links}; {mode}{'' if lenient else ' (--lenient: any)'}; Ctrl-C stops")
        if host not in ("127.0.0.1", "localhost", "::1"):
            click.echo(f"Listening on {host}: others on the network can reach this server.", err=True)
        background.start()

    run(app, sock, ready, background.stop)
    click.echo("stopped")


def _announce(providers: "dict[str, Provider]", address: str) -> None:
    """One line for each provider: its name, the base URL to paste, and how a job is created."""
    rows = []
    for prefix, provider in providers.items():
        resources = provider.contract.resources
        parts = [p for r in resources for p in r.operations if p.action == "create"]
        more = f" and {len(resources) - 1} more kinds of job" if len(resources) > 1 else ""
        first = f"{parts[0].operation.name}{more}" if parts else "no job"
        base = f"{address}{'/' + prefix if prefix else ''}{provider.contract.document.base_path}"
        rows.append((provider.name, base, first))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, base, create_name in rows:
        _say(f"{name:<{widths[0]}}  {base:<{widths[1]}}  {create_name}")


def _address(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"


@main.command()
@click.argument("spec")
@click.option("--apply", "overlays", multiple=True, metavar="FILE", help="Apply an OpenAPI Overlay first (repeatable).")
@click.option("--overlay", "out", metavar="OUT", help="Write what is concluded as an overlay to edit; - prints it.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@_with_clear_errors
def inspect(spec: str, overlays: tuple[str, ...], out: str | None, as_json: bool) -> None:
    """Print what is concluded about the jobs of SPEC, from what, how sure that is, and what would decide otherwise.

    What is uncertain is marked with ?.
    """
    from mockserver import inspection
    from mockserver.loading.files import write_new
    from mockserver.loading.providers import load

    if out is not None and as_json:
        raise click.UsageError("--overlay and --json contradict each other: give one of them.")
    loaded = load(spec, overlays, needs_job=False)
    contract = loaded.provider.contract
    if out == "-":
        _say(inspection.as_overlay(contract).rstrip("\n"))
    elif out is not None:
        write_new(out, inspection.as_overlay(contract))
        _say(f"wrote {out}: edit it, then serve with --overlay {out}")
    elif as_json:
        click.echo(json.dumps(inspection.as_data(contract), indent=2))
    else:
        for line in inspection.as_lines(contract):
            _say(line)
    for problem in loaded.problems or ():
        _say(f"mockserver: {contract.document.origin}: {problem.text}", err=True)
    if not contract.resources:
        sys.exit(2)
