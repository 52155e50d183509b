"""`mockserver serve`."""

from functools import partial
from math import isnan
from typing import TYPE_CHECKING

import click

from mockserver.cli.terminal import say, with_clear_errors

if TYPE_CHECKING:
    from mockserver.provider import Provider

LOCAL = ("127.0.0.1", "localhost", "::1")


@click.command()
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
@click.option("--clock", type=click.Choice(["real", "scaled", "frozen", "skipping"]),
              help="How time passes: as it does, --speed times as fast, on request, or with each poll.")  # fmt: skip
@click.option("--scenario", default="", metavar="NAME", help="What happens to all jobs and requests from the start.")
@click.option("--scenarios", "scenario_files", multiple=True, metavar="FILE", help="Read scenarios of your own.")
@click.option("--drift", "drifts", multiple=True, metavar="NAME", help="Break the contract in this way (repeatable).")
@click.option("--drifts", "drift_files", multiple=True, metavar="FILE", help="Read drifts of your own (repeatable).")
@click.option("--no-magic", is_flag=True, help="Do not look for scenario:NAME in prompts and models.")
@click.option("--no-control", is_flag=True, help="Serve no control API.")
@click.option("--control-token", default="", envvar="MOCKSERVER_CONTROL_TOKEN", metavar="TOKEN",
              help="Ask for this token at the control API [beyond this machine: one that is printed].")  # fmt: skip
@click.option("--allowed-host", "allowed_hosts", multiple=True, metavar="NAME",
              help="A further name under which the control API may be called (repeatable).")  # fmt: skip
@click.option("--webhook-host", "webhook_hosts", multiple=True, metavar="NAME",
              help="Let webhooks be sent to this host, besides this machine (repeatable).")  # fmt: skip
@with_clear_errors
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
    clock: str | None,
    scenario: str,
    scenario_files: tuple[str, ...],
    drifts: tuple[str, ...],
    drift_files: tuple[str, ...],
    no_magic: bool,
    no_control: bool,
    control_token: str,
    allowed_hosts: tuple[str, ...],
    webhook_hosts: tuple[str, ...],
) -> None:
    """Serve all bundled providers, each below its own prefix, or one SPEC at the root.

    SPEC is a bundled provider's name, a folder with openapi.yaml (and overlay.yaml), or an OpenAPI file.
    Several are served below their names.
    """
    from mockserver.clock import ClockMode
    from mockserver.loading.providers import bundled_names, load
    from mockserver.realtime import fresh_seed, fresh_token
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
    if speed != 1 and clock not in (None, "scaled"):
        raise click.UsageError(f"--speed {speed:g} and --clock {clock} contradict each other: give one of them.")
    if speed == 1 and clock == "scaled":
        raise click.UsageError("--clock scaled needs to know how fast: add --speed.")
    is_local = host in LOCAL
    if not is_local and not no_control and not control_token:
        control_token = fresh_token()
        click.echo(f"The control API asks for this token (--control-token): {control_token}", err=True)
    given_seed = seed
    seed = fresh_seed() if given_seed is None else given_seed
    settings = Settings(
        host=host,
        port=port,
        speed=speed,
        seed=seed,
        api_keys=api_keys,
        auth=not no_auth,
        poll_after_ms=poll_after_ms,
        public_url=public_url,
        max_jobs=max_jobs,
        lenient=lenient,
        clock=ClockMode(clock) if clock else None,
        scenario=scenario,
        scenario_files=scenario_files,
        drifts=drifts,
        drift_files=drift_files,
        magic=not no_magic,
        control=not no_control,
        control_token=control_token,
        allowed_hosts=allowed_hosts,
        webhook_hosts=webhook_hosts,
    )
    app = build_app(providers, settings)
    sock = open_socket(host, port)
    background = Background(
        dict(zip(prefixes, loaded, strict=True)),
        complain=partial(say, err=True),
        tell=say,
        take_up=(lambda prefix, provider: renew(app, prefix, provider, settings)) if reload else None,
        specs={prefix: (name, overlays) for prefix, name in zip(prefixes, names, strict=True)},
    )

    def ready() -> None:
        _announce(providers, _address(host, sock.getsockname()[1]))
        pace = (
            f", clock {clock}"
            if clock in ("frozen", "skipping")
            else ""
            if speed == 1
            else f", {speed:g} virtual seconds a second"
        )
        repeat = "" if given_seed is not None else " (--seed repeats this run)"
        links = f"; result links begin with {public_url}" if public_url else ""
        mode = "lenient: any id stands for a finished job" if lenient else "strict: only created ids are known"
        click.echo(f"seed {seed}{repeat}{pace}{links}; {mode}{'' if lenient else ' (--lenient: any)'}; Ctrl-C stops")
        if not is_local:
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
        more = f" and {len(resources) - 1} more kind{'s' * (len(resources) > 2)} of job" if len(resources) > 1 else ""
        first = f"{parts[0].operation.name}{more}" if parts else "no job"
        base = f"{address}{'/' + prefix if prefix else ''}{provider.contract.document.base_path}"
        rows.append((provider.name, base, first))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, base, create_name in rows:
        say(f"{name:<{widths[0]}}  {base:<{widths[1]}}  {create_name}")


def _address(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"
