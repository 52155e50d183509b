"""The power of the laws: each drift of the simulator is caught by the law that ought to catch it, and few jobs do."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract_tests.history import Exchange
from contract_tests.power import FEW, PAGE, SHARE, Bench, Caught, Pair, bench, main, pairs, row, specs_of, write
from mockserver.loading.providers import bundled_names

REFERENCE = "openai"
PAIRS = pairs()
WRITTEN = re.search(r"<!-- the table.*?<!-- end of", PAGE.read_text("utf-8"), re.S)
TABLE = {line.split(" ")[1]: line for line in WRITTEN[0].splitlines()[4:-2]} if WRITTEN else {}


@pytest.fixture(scope="module")
def running() -> Iterator[Bench]:
    with bench(specs_of(PAIRS)) as started:
        yield started


@pytest.mark.parametrize("name", PAIRS)
def test_a_drift_is_caught_by_the_law_that_ought_to(running: Bench, name: str) -> None:
    pair = PAIRS[name]

    caught = running.catch(pair)

    if pair.legal:
        assert caught.seen == ()
    else:
        assert pair.law in caught.seen
    assert TABLE[name] == row(pair, caught), "make power ARGS=--write"


def test_these_are_all_drifts(running: Bench) -> None:
    known = [str(drift["name"]) for drift in running.drifts() if str(drift["code"]).startswith("D")]
    assert sorted(known) == sorted(PAIRS)
    assert list(TABLE) == list(PAIRS)


@pytest.mark.parametrize("provider", bundled_names())
def test_nine_tenths_are_judged_with_five_jobs(running: Bench, provider: str) -> None:
    judged = running.judged(provider)

    assert judged.share >= SHARE
    assert len({e.job for e in running.play(provider, FEW).of("create") if e.job}) <= FEW


def test_the_same_is_seen_in_the_same_run(running: Bench) -> None:
    """What a run is about decides its keys, and they all that is drawn: nothing that ran before changes it."""
    pair = PAIRS["status-flaps"]
    first = running.play(pair.contract, FEW, "first")

    with bench([pair.contract, REFERENCE]) as another:
        again = another.play(pair.contract, FEW, "first")

    assert [told(exchange) for exchange in first.exchanges] == [told(exchange) for exchange in again.exchanges]


def told(exchange: Exchange) -> tuple[str, str, int, bytes]:
    """What was asked and answered, without the port, which is any free one."""
    body = re.sub(rb"127\.0\.0\.1:\d+", b"host", exchange.body)
    return exchange.method, exchange.url.partition("/v")[2], exchange.status, body


# -- the command ------------------------------------------------------------------------------------


ONE = "agicto-sora"


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only one provider's share is looked at; those of all are, above."""
    monkeypatch.setattr("contract_tests.power.bundled_names", lambda: [ONE])


@pytest.mark.usefixtures("brief")
def test_the_command_prints_the_table_and_the_shares() -> None:
    said: list[str] = []

    assert main(["body-null", "progress-stuck"], said.append) == 0

    assert said[0].split() == ["progress-stuck", "openai", "–", "progress", "may", "stay", "flat"]
    assert said[1].split() == ["body-null", PAIRS["body-null"].contract, "ANS004", "–"]
    assert said[2].startswith("2 drifts: 1 seen by the law that ought to, 0 by others only, 0 by none; 1 break no")
    assert re.fullmatch(rf"with 5 jobs {ONE} +\d+ of \d+ laws judged, \d+%", said[3])
    assert len(said) == 4


@pytest.mark.usefixtures("brief")
def test_the_command_fails_where_a_law_does_not_see_its_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {**PAIRS, "body-null": Pair("body-null", PAIRS["body-null"].contract, "JOB021")}
    monkeypatch.setattr("contract_tests.power.pairs", lambda: wrong)
    said: list[str] = []

    assert main(["body-null"], said.append) == 1

    assert "JOB021 MISSED" in said[0]
    assert "0 seen by the law that ought to, 1 by others only" in said[1]


@pytest.mark.usefixtures("brief")
def test_the_command_fails_where_a_law_complains_of_what_is_legal(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {**PAIRS, "body-null": Pair("body-null", PAIRS["body-null"].contract, legal="so it is said")}
    monkeypatch.setattr("contract_tests.power.pairs", lambda: wrong)

    assert main(["body-null"], lambda line: None) == 1


@pytest.mark.usefixtures("brief")
def test_the_command_fails_where_too_little_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contract_tests.power.FEW", 0)
    said: list[str] = []

    assert main(["progress-stuck"], said.append) == 1

    assert "0 by none" in said[1]
    assert "with 0 jobs" in said[2]


@pytest.mark.usefixtures("brief")
def test_the_command_fails_where_a_drift_has_no_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    short = {name: pair for name, pair in PAIRS.items() if name != "body-null"}
    monkeypatch.setattr("contract_tests.power.pairs", lambda: short)
    said: list[str] = []

    assert main(["progress-stuck"], said.append) == 1

    assert said[-1].startswith("body-null: in the simulator or in power.yaml, not in both")


def test_the_command_knows_no_other_drifts() -> None:
    assert main(["body-none"], lambda line: None) == 2
    assert main(["body-null", "--write"], lambda line: None) == 2


def test_the_table_is_written_between_its_marks_alone(tmp_path: Path) -> None:
    page = tmp_path / "laws.md"
    page.write_text(PAGE.read_text("utf-8"), "utf-8")

    write(list(TABLE.values()), page)
    assert page.read_text("utf-8") == PAGE.read_text("utf-8")

    page.write_text("no marks", "utf-8")
    with pytest.raises(ValueError, match="0 places"):
        write([], page)


def test_a_row_tells_what_was_seen() -> None:
    pair = Pair("some", "tests/documents/some.yaml", "JOB011")

    assert row(pair, Caught("some", "", ("ANS004", "JOB011"), ("RES014",))) == (
        "| some | some | JOB011 | ANS004, (RES014) |"
    )
    assert row(pair, Caught("some", "", (), ("JOB011",))) == "| some | some | (JOB011) | – |"
    assert row(pair, Caught("some", "", ("ANS004",), ())) == "| some | some | JOB011 MISSED | ANS004 |"
    legal = Pair("some", "one", legal="it may")
    assert row(legal, Caught("some", "", (), ())) == "| some | one | – | it may |"


@pytest.mark.parametrize(
    "entry",
    [
        "{contract: one}",
        "{contract: one, law: JOB999}",
        "{contract: one, law: JOB011, legal: so it is said}",
    ],
)
def test_an_entry_names_a_known_law_or_a_reason(entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "power.yaml"
    data.write_text(f"some-drift: {entry}\n", "utf-8")
    monkeypatch.setattr("contract_tests.power.DATA", data)

    with pytest.raises(ValueError, match="some-drift"):
        pairs()
