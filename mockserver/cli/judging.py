"""`mockserver check`, `lint`, `compare`, `explain` and `matrix`: what the package of checks says."""

import json
import os
import re
import sys
from collections.abc import Mapping
from math import inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from mockserver.cli.terminal import say, with_clear_errors
from mockserver.errors import DocumentError, MockserverError

if TYPE_CHECKING:
    from contract_tests.finding import Report
    from contract_tests.report.baseline import Known

WRITERS = {
    "report.json": "as_json",
    "report.html": "html",
    "junit.xml": "junit",
    "report.sarif": "sarif",
    "summary.md": "markdown",
    "badge.svg": "badge",
}


PATIENCE = 900.0  # seconds that jobs are waited for where nobody says
_AGAIN = {"--key-env", "--second-key-env", "--max-jobs", "--max-spend", "--price", "--max-requests", "--rate-limit",
          "--patience", "--interval", "--reference", "--no-schema", "--webhook-listen", "--webhook-url",
          "--webhook-secret-env"}  # fmt: skip
_RATE = re.compile(r"[1-9]\d{0,5}/[smh]", re.ASCII)


class KeyMissing(MockserverError):
    """An environment variable that is to hold a key is not set."""


@click.command()
@click.argument("url", default="")
@click.option("--spec", metavar="SPEC", required=True, help="The contract: a bundled provider, a folder or a file.")
@click.option("--key-env", metavar="VAR", help="The environment variable that holds the API key.")
@click.option(
    "--second-key-env", metavar="VAR", help="That of another user's key, who must see nothing of the first's."
)
@click.option("--max-jobs", type=click.IntRange(0), metavar="N", help="Create at most so many jobs; 0 creates none.")
@click.option("--max-spend", type=click.FloatRange(0), metavar="AMOUNT", help="Spend at most so much.")
@click.option("--price", "prices", multiple=True, metavar="NAME=AMOUNT",
              help="What a job costs, by operation or model; * stands for all others [as x-job declares].")  # fmt: skip
@click.option("--max-requests", type=click.IntRange(1), metavar="N", help="Send at most so many requests.")
@click.option("--rate-limit", metavar="N/s", default="", help="Send no more than that: 5/s, 90/m, 1000/h.")
@click.option("--plan", "plan_only", is_flag=True, help="Print what may cost money, and send nothing.")
@click.option("--patience", type=float, metavar="SECONDS", help="How long a job may take [900, and no finding].")
@click.option("--interval", type=float, metavar="SECONDS", help="Between polls [what the endpoint advises, or 10].")
@click.option("--only", multiple=True, metavar="CODE", help="Judge by these laws alone (repeatable).")
@click.option("--reference", metavar="SPEC", default="",
              help="Tell where clients break that were written for this contract.")  # fmt: skip
@click.option("--no-schema", is_flag=True, help="Leave out schemathesis, which fuzzes every operation.")
@click.option("--webhook-listen", default="", metavar="HOST:PORT",
              help="Where to listen for webhooks [this machine, a free port].")  # fmt: skip
@click.option("--webhook-url", default="", metavar="URL", help="How the service reaches that, from another machine.")
@click.option(
    "--webhook-secret-env", metavar="VAR", help="The variable that holds the secret webhooks are signed with."
)
@click.option("--report", "folder", metavar="DIR", help="Write reports: JSON, HTML, JUnit, SARIF, Markdown, a badge.")
@click.option("--har", metavar="FILE", help="Keep all that is sent and received, with secrets masked.")
@click.option("--from-har", metavar="FILE", help="Judge what was kept, without a network.")
@click.option("--baseline", metavar="FILE", help="Accept the findings that stand there; tell new and fixed ones.")
@click.option("--write-baseline", metavar="FILE", help="Write the findings as a baseline.")
@with_clear_errors
def check(
    url: str,
    spec: str,
    key_env: str | None,
    second_key_env: str | None,
    max_jobs: int | None,
    max_spend: float | None,
    prices: tuple[str, ...],
    max_requests: int | None,
    rate_limit: str,
    plan_only: bool,
    patience: float | None,
    interval: float | None,
    only: tuple[str, ...],
    reference: str,
    no_schema: bool,
    webhook_listen: str,
    webhook_url: str,
    webhook_secret_env: str | None,
    folder: str | None,
    har: str | None,
    from_har: str | None,
    baseline: str | None,
    write_baseline: str | None,
) -> None:
    """Judge the endpoint at URL by its contract. Nothing is created beyond this machine unless --max-jobs says so.

    Exits with 0 if it conforms, 1 if it does not, 2 if it could not be checked.
    """
    from contract_tests import checking
    from contract_tests.history import INTERRUPTED

    if bool(url) == bool(from_har):
        raise click.UsageError("give either a URL or --from-har FILE.")
    _refuse_no_url(url)
    _refuse_no_url(webhook_url)
    _refuse_unknown(only)
    if rate_limit and not _RATE.fullmatch(rate_limit):
        raise click.BadParameter(f"found {rate_limit!r}, expected 5/s, 90/m or 1000/h.", param_hint="--rate-limit")
    if max_spend is not None and not isfinite(max_spend):
        raise click.BadParameter(f"found {max_spend}, expected an amount of money.", param_hint="--max-spend")
    if (patience is not None and not 0 < patience < inf) or (interval is not None and not isfinite(interval)):
        raise click.BadParameter("a number of seconds is wanted.", param_hint="--patience, --interval")
    wishes = checking.Wishes(
        url=url.rstrip("/"),
        spec=spec,
        key=_key(key_env),
        second_key=_key(second_key_env),
        max_jobs=max_jobs,
        max_spend=max_spend,
        prices=_prices(prices),
        max_requests=max_requests,
        patience=PATIENCE if patience is None else patience,
        deadline=patience or 0.0,
        interval=interval,
        only=only,
        schema=not no_schema,
        reference=reference,
        rate_limit=rate_limit,
        options=_given(),
        key_env=key_env or "",
        second_key_env=second_key_env or "",
        hearing=_hearing(webhook_listen, webhook_url, webhook_secret_env),
    )
    if plan_only:
        _print_plan(checking.plan_of(wishes))
        return
    for name in (har, write_baseline, folder and str(Path(folder, "report.json"))):
        if name:  # what cannot be kept is known before anything is spent
            _make_folder(Path(name).parent)
    for name in (har, write_baseline):
        if name and Path(name).is_dir():
            raise click.BadParameter(f"{name} is a folder, expected a file.", param_hint="--har, --write-baseline")
    known = _baseline(baseline) if baseline else None
    if from_har:
        report, history = checking.check_har(_json_file(from_har), spec, only, reference)
    else:
        from contract_tests.report.progress import Telling

        with Telling() as telling:
            report, history = checking.check(wishes, telling)
    if har:
        _write(Path(har), checking.recorded(history, wishes).decode())
    if not any(exchange.status for exchange in history.exchanges):
        why = next((exchange.problem for exchange in history.exchanges if exchange.problem), "nothing was sent")
        raise checking.CheckError(f"{wishes.url or from_har} could not be checked: {why}.")
    accepted = 0
    if known is not None:
        report, accepted = _with_baseline(report, known, baseline or "")
    if write_baseline:
        from contract_tests.report.baseline import write as baseline_of

        _write(Path(write_baseline), baseline_of(report))
    if folder:
        _write_reports(report, Path(folder))
    _print(report)
    if reference:
        _print_breaks(report, reference)
    code = accepted if baseline else report.exit_code
    sys.exit(code or 2 * (history.ended_early == INTERRUPTED))


@click.command()
@click.argument("spec")
@click.option("--raw", is_flag=True, help="As it is published, without the overlay beside it.")
@click.option("--only", multiple=True, metavar="CODE", help="Look for these alone (repeatable).")
@click.option("--report", "folder", metavar="DIR", help="Write reports: JSON, HTML, JUnit, SARIF, Markdown, a badge.")
@with_clear_errors
def lint(spec: str, raw: bool, only: tuple[str, ...], folder: str | None) -> None:
    """Look for what a document says against itself; no request is sent. See docs/lint.md."""
    from contract_tests.checking import report_of_lint

    _refuse_unknown(only)
    report = report_of_lint(spec, raw, only)
    if folder:
        _write_reports(report, Path(folder))
    _print(report)
    sys.exit(report.exit_code)


@click.command()
@click.argument("a")
@click.argument("b")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@with_clear_errors
def compare(a: str, b: str, as_json: bool) -> None:
    """Every place where a client that was written for contract B breaks on contract A, the worst first."""
    from contract_tests.comparing import compare as differences

    found = differences(a, b)
    if as_json:
        rows = [
            {"code": d.code, "effect": d.effect.value, "title": d.title, "message": d.message, "operation": d.operation}
            for d in found
        ]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        for each in found:
            say(f"{each.code} {each.effect.value}: {each.operation or 'everywhere'}: {each.message}")
        say(f"{len(found)} places where a client of {b} breaks on {a}" if found else f"{a} serves clients of {b}")
    sys.exit(int(bool(found)))


@click.command()
@click.argument("code")
@with_clear_errors
def explain(code: str) -> None:
    """What a code means: the law, why it matters to a client, which report inspired it, how to mend it."""
    entry = _catalogue().get(code.upper())
    if entry is None:
        raise DocumentError(f"{code}: no such code. docs/laws.md and docs/lint.md list them.")
    say(f"{code.upper()}  {entry.get('title', '')}".rstrip())
    for name in ("law", "why", "report", "fix"):
        if entry.get(name):
            say(f"  {name:<7} {entry[name]}")


@click.command()
@click.argument("reports", nargs=-1, required=True, metavar="REPORT.json…")
@click.option("-o", "--output", default="matrix.html", show_default=True, metavar="FILE", help="Where to write it.")
@with_clear_errors
def matrix(reports: tuple[str, ...], output: str) -> None:
    """Lay several reports side by side in one HTML table."""
    from contract_tests.report.as_json import from_json
    from contract_tests.report.matrix import write

    read = [(Path(name).stem if Path(name).stem != "report" else Path(name).parent.name or name,
             from_json(_text(name), name)) for name in reports]  # fmt: skip
    _write(Path(output), write(read))
    say(f"wrote {output}")


# -- parts ------------------------------------------------------------------------------------------


def _given() -> tuple[tuple[str, str], ...]:
    """The options of this command line that a check which is made again needs too, as they were given."""
    context = click.get_current_context()
    found: list[tuple[str, str]] = []
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if parameter.opts[0] not in _AGAIN or value is None or value is False or value in ("", ()):
            continue
        for each in value if isinstance(value, tuple) else (value,):
            found.append(
                (parameter.opts[0], "" if each is True else f"{each:g}" if isinstance(each, float) else str(each))
            )
    return tuple(found)


def _key(name: str | None, what: str = "the API key") -> str:
    if not name:
        return ""
    value = os.environ.get(name, "")
    if not value:
        raise KeyMissing(f"the environment variable {name} is not set, or empty; it is to hold {what}.")
    if not value.isascii() or not value.isprintable() or value != value.strip():
        raise KeyMissing(f"the environment variable {name} holds what no header can: a line break, a space at an end, "
                         f"or signs that are no ASCII. It is to hold {what}.")  # fmt: skip
    return value


def _hearing(listen: str, url: str, secret_env: str | None) -> Any:
    from contract_tests.playing.listening import Hearing, address_of
    from mockserver.signing import is_broken_secret

    if listen:
        address_of(listen)
    secret = _key(secret_env, "the secret of webhooks")
    if is_broken_secret(secret):
        raise KeyMissing(
            f"{secret_env} begins like a secret of webhooks, but base64 of 24 to 64 bytes does not follow."
        )
    return Hearing(listen, url, secret)


def _refuse_no_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_usable = not url or (parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0)
        has_login = "@" in parts.netloc
    except ValueError:
        is_usable, has_login = False, False
    if not is_usable:
        raise click.BadParameter(f"found {url!r}, expected http://HOST or https://HOST, with a port and a path if any.")
    if has_login:  # it would stand in every report
        raise click.BadParameter("found a user or a password in it; keys are given by --key-env.")


def _prices(given: tuple[str, ...]) -> Mapping[str, float]:
    prices = {}
    for each in given:
        name, found, amount = each.rpartition("=")
        try:
            if not found or not name or not 0 <= float(amount) < inf:
                raise ValueError
            prices[name] = float(amount)
        except ValueError:
            raise click.BadParameter(f"found {each!r}, expected NAME=AMOUNT.", param_hint="--price") from None
    return prices


def _catalogue() -> Mapping[str, Any]:
    from contract_tests.explaining import catalogue

    return catalogue()


def _refuse_unknown(codes: tuple[str, ...]) -> None:
    if unknown := sorted(set(codes) - set(_catalogue())) if codes else []:
        raise click.BadParameter(f"{', '.join(unknown)}: no such code.", param_hint="--only")


def _print_plan(plan: Any) -> None:
    for each in plan.requests:
        cost = (
            "" if not each.may_cost else f"  may cost {each.price:g} each" if each.price is not None else "  may cost"
        )
        say(f"{each.times:>4} × {each.operation}  ({each.purpose}){cost}")
    total = "of unknown price" if plan.spend is None else f"{plan.spend:g} {plan.currency}".rstrip()
    say(f"at the worst {plan.jobs} jobs are created: {total}")


def _print(report: "Report") -> None:
    from contract_tests.report.terminal import write

    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    click.echo(write(report, colours=colours).rstrip("\n"))


def _print_breaks(report: "Report", reference: str) -> None:
    """How many places break a client of the reference, by what they do to it."""
    from contract_tests.comparing import Effect
    from contract_tests.reference import ranked

    found = ranked(report.outcomes)
    counts = {effect: sum(each is effect for each, _ in found) for effect in Effect if effect is not Effect.DIFFERS}
    told = ", ".join(f"{count} × {effect.value}" for effect, count in counts.items())
    seen = sum(finding.code.startswith("REF") for effect, finding in found if effect is not Effect.DIFFERS)
    say(f"places where a client of {reference} breaks: {told} ({seen} of them seen live)")


def _write_reports(report: "Report", folder: Path) -> None:
    from importlib import import_module

    _make_folder(folder)
    for name, writer in WRITERS.items():
        _write(folder / name, import_module(f"contract_tests.report.{writer}").write(report))
    _write(folder / "badge.json", import_module("contract_tests.report.badge").shields(report))
    say(f"wrote {', '.join((*WRITERS, 'badge.json'))} to {folder}")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DocumentError(f"{folder}: cannot be made: {error.strerror}.") from None


def _baseline(file: str) -> tuple["Known", ...]:
    """A baseline, read before anything is sent."""
    from contract_tests.report import baseline

    return baseline.read(_text(file), file)


def _with_baseline(report: "Report", known: tuple["Known", ...], file: str) -> tuple["Report", int]:
    from contract_tests.report import baseline

    changes = baseline.compare(report, known)
    for line in baseline.lines_of(changes):
        say(line)
    told = baseline.told_in(report, changes, file)
    return told, changes.exit_code


def _text(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}.") from None


def _json_file(name: str) -> Any:
    try:
        return json.loads(_text(name))
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"{name}: no JSON: {error}.") from None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DocumentError(f"{path}: cannot be written: {error.strerror}.") from None
