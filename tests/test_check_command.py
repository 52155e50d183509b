"""`mockserver check` and its kin at the command line: what a user types, and what comes back."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner, Result
from serving import serving

from contract_tests.simulator import simulator
from mockserver.cli import main
from mockserver.realtime import steady_time

SLOPPY = """
openapi: 3.1.0
info: {title: Sloppy, version: "1"}
paths:
  /jobs:
    post:
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Request"}}}}
      responses: {"200": {description: OK, content: {application/json: {schema: {$ref: "#/components/schemas/Job"}}}}}
  /jobs/{id}:
    get:
      parameters: [{name: id, in: path, required: true, schema: {type: string, maxLength: 64}}]
      responses: {"200": {description: OK, content: {application/json: {schema: {$ref: "#/components/schemas/Job"}}}}}
components:
  schemas:
    Request: {type: object, required: [prompt], properties: {prompt: {type: string}}}
    Job:
      type: object
      required: [id, status]
      properties:
        id: {type: string}
        status: {type: string, enum: [queued, running, succeeded, failed]}
        url: {type: string, format: uri}
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving("openai", "--seed", "1") as urls:
        yield urls["openai"]


def run(*arguments: str, **variables: str) -> Result:
    return CliRunner().invoke(main, arguments, env=variables)


def test_a_clean_service_conforms_and_its_reports_are_written(url: str, tmp_path: Path) -> None:
    har, out = tmp_path / "all.har", tmp_path / "out"
    keys = {"ONE": "sk-first-0123456789", "TWO": "sk-second-0123456789"}
    command = ["check", url, "--spec", "openai", "--key-env", "ONE", "--second-key-env", "TWO", "--no-schema"]
    done = run(*command, "--report", str(out), "--har", str(har), **keys)
    assert (done.exit_code, "No violation was seen" in done.output) == (0, True), done.output
    written = sorted(path.name for path in out.iterdir())
    assert written == [
        "badge.json",
        "badge.svg",
        "junit.xml",
        "report.html",
        "report.json",
        "report.sarif",
        "summary.md",
    ]
    assert not any(key in path.read_text() for path in (har, *out.iterdir()) for key in keys.values())
    again = run("check", "--spec", "openai", "--from-har", str(har))
    assert again.exit_code == 0, again.output
    matrix = run("matrix", str(out / "report.json"), "-o", str(tmp_path / "matrix.html"))
    assert (matrix.exit_code, (tmp_path / "matrix.html").stat().st_size > 1000) == (0, True)


def test_a_drift_is_a_violation_and_a_baseline_accepts_it(tmp_path: Path) -> None:
    baseline = str(tmp_path / "known.json")
    with serving("openai", "--seed", "1", "--drift", "status-succeeded") as urls:
        command = ["check", urls["openai"], "--spec", "openai", "--key-env", "ONE", "--no-schema"]
        found = run(*command, "--write-baseline", baseline, ONE="sk-first-0123456789")
        assert (found.exit_code, "JOB011" in found.output) == (1, True), found.output
        assert run(*command, "--baseline", baseline, ONE="sk-first-0123456789").exit_code == 0
        only = run(*command, "--only", "JOB001", ONE="sk-first-0123456789")
        assert only.exit_code == 0, only.output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["check", "http://127.0.0.1:1", "--spec", "openai"], "could not be checked"),
        (["check", "http://127.0.0.1:1", "--spec", "no-such-spec"], "no such file, folder or bundled provider"),
        (["check", "http://127.0.0.1:1", "--spec", "openai", "--key-env", "NO_KEY"], "NO_KEY is not set"),
        (["check", "http://127.0.0.1:1", "--spec", "openai", "--only", "JOB999"], "no such code"),
        (["check", "http://127.0.0.1:1", "--spec", "openai", "--patience", "nan"], "a number of seconds"),
        (["check", "http://127.0.0.1:1", "--spec", "aitoearn", "--max-spend", "1"], "--price"),
        (["check", "--spec", "openai"], "URL or --from-har"),
        (["check", "http://127.0.0.1:1", "--spec", "openai", "--rate-limit", "fast"], "expected 5/s"),
        (["explain", "JOB999"], "no such code"),
        (["matrix", "no-such-report.json"], "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(arguments: list[str], text: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert text in done.output
    assert "Traceback" not in done.output


def test_where_jobs_are_limited_only_what_reads_is_fuzzed(tmp_path: Path) -> None:
    with simulator(["openai"], "", ("--seed", "1")) as urls:
        command = ["check", urls["openai"], "--spec", "openai", "--key-env", "ONE", "--max-jobs", "2"]
        done = run(*command, "--report", str(tmp_path), ONE="sk-limited-0123456789")
        listed = httpx2.get(f"{urls['openai']}/videos", headers={"authorization": "Bearer sk-limited-0123456789"})
    assert len(listed.json()["data"]) <= 2
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "report.json").read_text())
    again = "--key-env ONE --max-jobs 2 --only"
    assert all(again in line for o in report["outcomes"] for f in o["findings"] for line in f["repeat"][1:]), report
    assert report["about"]["jobs_created"] <= 2
    assert report["about"]["phases"]["schema"]["requests"] > 50
    verdicts = {each["code"]: (each["verdict"], each["reasons"]) for each in report["outcomes"]}
    assert verdicts["SCH005"] == ("conforms", ["jobs are limited here, so only operations that read were fuzzed"])
    assert verdicts["SCH009"][0] == verdicts["SCH011"][0] == "could not be judged"


def test_a_check_of_schemathesis_can_be_asked_for_alone() -> None:
    with simulator(["openai"], "", ("--seed", "1", "--drift", "seconds-other-type")) as urls:
        command = ["check", urls["openai"], "--spec", "openai", "--key-env", "ONE", "--patience", "600"]
        found = run(*command, "--only", "SCH005", ONE="sk-alone-0123456789")
    assert (found.exit_code, "SCH005" in found.output, "ANS004  " in found.output) == (1, True, False), found.output
    assert "--key-env ONE --patience 600 --only SCH005" in found.output
    assert "valid against" in run("explain", "SCH005").output


def test_what_a_sloppy_document_forgets_is_no_fault_of_a_service(tmp_path: Path) -> None:
    """Refusals that are declared nowhere, and a body that is not said to be required."""
    document = tmp_path / "sloppy.yaml"
    document.write_text(SLOPPY)
    with simulator([str(document)], "", ("--seed", "1")) as urls:
        done = run("check", urls["sloppy"], "--spec", str(document))
    assert (done.exit_code, "SCH" in done.output) == (0, False), done.output


def test_requests_are_sent_no_faster_than_was_asked_for(url: str) -> None:
    command = ["check", url, "--spec", "openai", "--max-jobs", "0", "--max-requests", "4", "--rate-limit", "2/s"]
    began = steady_time()
    assert run(*command, "--key-env", "ONE", ONE="sk-slow-0123456789").exit_code == 0
    assert steady_time() - began > 1.5  # of which the third part without a limit


def test_a_refused_key_is_no_violation_of_anything() -> None:
    with serving("openai", "--seed", "1", "--api-key", "sk-right-0123456789") as urls:
        command = ["check", urls["openai"], "--spec", "openai", "--no-schema"]
        without, wrong = run(*command), run(*command, "--key-env", "ONE", ONE="sk-wrong-0123456789")
        right = run(*command, "--key-env", "ONE", ONE="sk-right-0123456789")
    assert (without.exit_code, wrong.exit_code, right.exit_code) == (2, 2, 0), right.output
    assert "401 to requests without a key; name the variable" in without.output
    assert "401 to the key in ONE" in wrong.output


def test_a_plan_sends_nothing() -> None:
    done = run("check", "http://127.0.0.1:1", "--spec", "openai", "--plan", "--max-jobs", "2", "--price", "*=0.8")
    assert (done.exit_code, "at the worst 2 jobs are created: 1.6" in done.output) == (0, True), done.output


def test_lint_compare_and_explain() -> None:
    linted = run("lint", "agicto-sora", "--raw")
    assert (linted.exit_code, "specs/agicto-sora/openapi.yaml" in linted.output) == (1, True)
    rows = json.loads(run("compare", "hingnet-sora", "openai", "--json").output)
    assert any("`processing`" in row["message"] for row in rows)
    assert run("compare", "openai", "openai").exit_code == 0
    assert "why" in run("explain", "job001").output


@pytest.mark.parametrize("phase", ["watch", "schema"])
def test_an_interrupted_check_writes_what_is_known(phase: str, tmp_path: Path) -> None:
    """By a real Ctrl-C, while it waits for jobs that take minutes, or while it fuzzes."""
    clock = ("--no-control",) if phase == "watch" else ()
    with simulator(["openai"], "", ("--seed", "1", *clock)) as urls:
        command = [sys.executable, "-m", "mockserver", "check", urls["openai"], "--spec", "openai", "--key-env", "ONE"]
        command += ["--report", str(tmp_path)]
        variables = {**os.environ, "ONE": "sk-stopped-0123456789"}
        with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
            assert run.stderr is not None
            assert next(line for line in run.stderr if line.startswith(phase))
            run.send_signal(signal.SIGINT)
            said, complained = run.communicate(timeout=60)
    assert run.returncode == 2, said + complained
    assert "Traceback" not in complained
    report = json.loads((tmp_path / "report.json").read_text())
    reasons = {reason for outcome in report["outcomes"] for reason in outcome["reasons"]}
    told = [*reasons, *report["about"]["skipped"].values()]
    assert any("interrupted" in each for each in told), told
