"""No false alarm: whatever is odd and legal about a service, the laws do not complain of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from contract_tests.contract import load_contract
from contract_tests.finding import Finding, Severity, Verdict
from contract_tests.judging import judge
from contract_tests.playing.budget import Budget
from contract_tests.playing.player import Options
from contract_tests.playing.stories import play
from contract_tests.playing.target import Service
from contract_tests.power import FEW, MAX_JOBS, OTHERS, Bench, bench
from contract_tests.simulator import simulator as serving_specs
from mockserver.loading.providers import bundled_names

REFERENCE = "openai"
# Where an oddity can be seen, if not in the reference contract.
ELSEWHERE = {
    "legal-escaped-text": "aitoearn",
    "legal-null-optional": "aitoearn",
    "legal-fractions": "aitoearn",
    "legal-offset": "aitoearn",
    "legal-link-query": "aitoearn",
    "legal-absent-optional": "hingnet-sora",
}
NUMBERED = "tests/documents/batchwork.yaml"  # its states are numbers
# What the laws are wrong about, with the reason; by the name of the oddity and the contract.
ODDITIES = (
    "failing-job", "progress-jumps", "progress-flat", "skipped-state", "quick-job", "slow-job", "extra-fields",
    "key-order", "pretty-json", "escaped-text", "null-optional", "absent-optional", "fractions", "offset", "link-query",
    "charset", "charset-quoted", "header-case", "more-headers", "chunked", "until-close", "connection-close", "busy",
    "poll-tags", "weak-tag", "redirect", "redirect-relative", "short-pages", "bare-file", "busy-date", "whole-floats",
    "other-ids",
)  # fmt: skip
# All that the tests have, but for one that cannot be read without an overlay.
FOLDER = Path("tests/documents")
DOCUMENTS = sorted(map(str, [*FOLDER.glob("*.yaml"), FOLDER / "studio"]))
DOCUMENTS.remove(str(FOLDER / "paintings.yaml"))
# At once; of those that are left out one would hide another.
TOGETHER = sorted({f"legal-{name}" for name in ODDITIES} - {"legal-busy", "legal-redirect", "legal-chunked"})


@pytest.fixture(scope="module")
def simulator() -> Iterator[Bench]:
    with bench([*bundled_names(), *OTHERS, NUMBERED]) as running:
        yield running


def alarms(simulator: Bench, spec: str, *names: str, max_jobs: int = MAX_JOBS) -> list[Finding]:
    """What is said of the simulator above notes, with some oddities on."""
    simulator.switch(*names)
    try:
        outcomes = judge(simulator.play(spec, max_jobs), clause_of=lambda pointer: None)
        return [f for outcome in outcomes for f in outcome.findings if f.severity is not Severity.NOTE]
    finally:
        simulator.switch()


def test_these_are_all_oddities(simulator: Bench) -> None:
    known = [str(drift["name"]) for drift in simulator.drifts() if str(drift["code"]).startswith("O")]
    assert known == [f"legal-{name}" for name in ODDITIES]


@pytest.mark.parametrize("name", ODDITIES)
def test_no_law_complains_of_what_is_odd_and_legal(simulator: Bench, name: str) -> None:
    name = f"legal-{name}"
    assert not alarms(simulator, ELSEWHERE.get(name, REFERENCE), name, max_jobs=FEW)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_law_complains_of_any_document(document: str) -> None:
    with serving_specs([document], "", ("--clock", "frozen", "--seed", "5")) as urls:
        assert not above_notes(document, next(iter(urls.values())), "sk-documents")


def above_notes(spec: str, url: str, key: str) -> list[str]:
    """What is said above notes of a service, in a run without any limit."""
    with Service(url) as service:
        keys = Options(key=f"{key}-0123456789", second_key=f"{key}-9876543210")
        outcomes = judge(play(load_contract(spec), service, Budget(), keys), clause_of=lambda pointer: None)
    assert sum(each.verdict is Verdict.CONFORMS for each in outcomes) > 25
    found = [f for each in outcomes for f in each.findings if f.severity is not Severity.NOTE]
    return [f"{f.code} {f.where}: {f.message}" for f in found]


@pytest.mark.parametrize("clock", ["real", "scaled", "skipping"])  # all other tests here are on a frozen one
def test_no_law_complains_in_any_clock_mode(clock: str) -> None:
    options = ("--speed", "5000") if clock == "scaled" else ("--clock", clock)
    with serving_specs(bundled_names(), "", ("--seed", "3", *options)) as urls:
        found = {name: above_notes(name, url, f"sk-{clock}") for name, url in urls.items()}
    assert set(found) == set(bundled_names())
    assert not any(found.values()), found


@pytest.mark.parametrize("where", [OTHERS[0], NUMBERED])
def test_no_law_complains_of_whole_numbers_with_a_point(simulator: Bench, where: str) -> None:
    assert not alarms(simulator, where, "legal-whole-floats")


@pytest.mark.parametrize("provider", [*bundled_names(), *OTHERS])
def test_no_law_complains_of_all_at_once(simulator: Bench, provider: str) -> None:
    assert not alarms(simulator, provider)
    assert not alarms(simulator, provider, *TOGETHER)
