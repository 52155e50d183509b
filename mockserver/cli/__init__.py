"""The command line: one module for each kind of command."""

import click

from mockserver import __version__
from mockserver.cli.asking import drifts, scenarios, verdict, webhook
from mockserver.cli.inspecting import inspect
from mockserver.cli.judging import check, compare, explain, lint, matrix
from mockserver.cli.serving import serve
from mockserver.cli.terminal import HELP


@click.group(context_settings=HELP)
@click.version_option(__version__, prog_name="mockserver")
def main() -> None:
    """Fake asynchronous generation APIs, simulated from their OpenAPI documents."""


for command in (serve, inspect, scenarios, drifts, verdict, webhook, check, lint, compare, explain, matrix):
    main.add_command(command)
