"""`mockserver scenarios`, `drifts`, `verdict` and `webhook`: what there is, and what a running server says."""

import json
import sys

import click

from mockserver.cli.terminal import say, with_clear_errors

URL = "http://127.0.0.1:4747"


@click.command()
@click.option("--scenarios", "files", multiple=True, metavar="FILE", help="Read scenarios of your own too.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@with_clear_errors
def scenarios(files: tuple[str, ...], as_json: bool) -> None:
    """List what can happen to jobs and requests. See docs/scenarios.md."""
    from mockserver.loading.plans import load_scenarios

    found = sorted(load_scenarios(files).values(), key=lambda scenario: scenario.name)
    if as_json:
        click.echo(json.dumps([s.as_data for s in found], indent=2))
        return
    width = max(len(scenario.name) for scenario in found)
    for scenario in found:
        say(f"{scenario.name:<{width}}  {scenario.summary}")


@click.command()
@click.option("--drifts", "files", multiple=True, metavar="FILE", help="Read drifts of your own too.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@with_clear_errors
def drifts(files: tuple[str, ...], as_json: bool) -> None:
    """List the ways in which answers can break their contract. See docs/drifts.md."""
    from mockserver.loading.plans import load_drifts

    found = sorted(load_drifts(files).values(), key=lambda drift: drift.code)
    if as_json:
        rows = [d.as_data for d in found]
        click.echo(json.dumps(rows, indent=2))
        return
    width = max(len(drift.name) for drift in found)
    for drift in found:
        say(f"{drift.code}  {drift.name:<{width}}  {drift.summary}")


@click.command()
@click.argument("url", default=URL)
@click.option("--api-key", default="", metavar="KEY", help="Judge the client that used this key [all of them].")
@click.option("--sandbox", default="", metavar="ID", help="Judge the client of this sandbox.")
@click.option("--token", default="", envvar="MOCKSERVER_CONTROL_TOKEN", help="The token of the control API.")
@click.option("--strict", is_flag=True, help="Let warnings count too.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@with_clear_errors
def verdict(url: str, api_key: str, sandbox: str, token: str, strict: bool, as_json: bool) -> None:
    """Judge the client by what the mockserver at URL has seen of it.

    Exits with 0 if it passed, 1 if it did something that breaks or costs money, 2 if it could not be judged.
    """
    from mockserver.client import SERVER, Control
    from mockserver.sandbox.sandbox import sandbox_id
    from mockserver.sandbox.verdict import lines_of

    if api_key and sandbox:
        raise click.UsageError("--api-key and --sandbox contradict each other: give one of them.")
    if api_key:
        sandbox = sandbox_id(api_key)
    with Control(url, token=token) as control:
        found = control.verdict(sandbox or SERVER, strict=strict)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        for line in lines_of(found):
            say(line)
    sys.exit({True: 0, False: 1}.get(found["passed"], 2))


@click.group()
def webhook() -> None:
    """Webhooks: see what arrives."""


@webhook.command()
@click.option("-p", "--port", default=4848, show_default=True, help="Port to listen on; 0 picks a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--secret", default="", envvar="MOCKSERVER_WEBHOOK_SECRET", metavar="whsec_…", help="Verify signatures.")
@click.option("--pretty", is_flag=True, help="Print bodies indented.")
@with_clear_errors
def listen(port: int, host: str, secret: str, pretty: bool) -> None:
    """Show each delivery that arrives, and whether its signature is right."""
    from mockserver.web.listener import listen as run

    run(host, port, secret, pretty=pretty)
