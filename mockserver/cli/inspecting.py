"""`mockserver inspect`."""

import json
import sys

import click

from mockserver.cli.terminal import say, with_clear_errors


@click.command()
@click.argument("spec")
@click.option("--apply", "overlays", multiple=True, metavar="FILE", help="Apply an OpenAPI Overlay first (repeatable).")
@click.option("--overlay", "out", metavar="OUT", help="Write what is concluded as an overlay to edit; - prints it.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@with_clear_errors
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
        say(inspection.as_overlay(contract).rstrip("\n"))
    elif out is not None:
        write_new(out, inspection.as_overlay(contract))
        say(f"wrote {out}: edit it, then serve with --overlay {out}")
    elif as_json:
        click.echo(json.dumps(inspection.as_data(contract), indent=2))
    else:
        for line in inspection.as_lines(contract):
            say(line)
    for problem in loaded.problems or ():
        say(f"mockserver: {contract.document.origin}: {problem.text}", err=True)
    if not contract.resources:
        sys.exit(2)
