"""The power of the laws: each drift of the simulator, the law that ought to see it, and what others see.

`make power` prints it, and `make power ARGS=--write` puts it into docs/laws.md. power.yaml says what ought to
see what. One server for all; drifts are switched over its control API. Each run has keys, and so sandboxes, of its own,
and they are the same whenever the same is tried: the table is the same from run to run.
"""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from contract_tests.contract import ContractUnderTest, load_contract
from contract_tests.finding import Finding, Severity, Verdict
from contract_tests.history import History
from contract_tests.judging import judge
from contract_tests.laws import all_laws
from contract_tests.playing.budget import Budget
from contract_tests.playing.player import Options
from contract_tests.playing.stories import play
from contract_tests.playing.target import Service
from contract_tests.simulator import simulator
from mockserver.loading.providers import bundled_names

MAX_JOBS = 60  # of one run; the simulator's cost nothing
FEW = 5  # jobs of a run that costs money: with so few each drift is caught, and nearly all is judged
SHARE = 0.9  # of the laws that are judged without a limit: at least so many are judged with FEW jobs
FROZEN = ("--clock", "frozen", "--seed", "1")
BEGIN = "2026-01-01T00:00:00Z"  # the same in all runs: whether an instant is rounded up or down changes what is seen
OTHERS = ("tests/documents/batches.yaml",)  # no bundled provider's jobs can be cancelled
DATA = Path(__file__).with_name("power.yaml")
PAGE = Path(__file__).parents[1] / "docs/laws.md"
_TABLE = re.compile(r"(<!-- the table: make power ARGS=--write -->\n).*?(<!-- end of the table -->\n)", re.S)


@dataclass(frozen=True, slots=True)
class Pair:
    """A drift, the contract with which it is tried, and the law that ought to see it; or why it is legal.

    `scenario` is what else has to happen for it to show.
    """

    drift: str
    contract: str
    law: str = ""
    legal: str = ""
    scenario: str = ""


@dataclass(frozen=True, slots=True)
class Caught:
    """What the laws said with one drift on: codes of violations, and of what is but a warning. Notes do not count."""

    drift: str
    spec: str
    codes: tuple[str, ...]
    weaker: tuple[str, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def seen(self) -> tuple[str, ...]:
        """All codes."""
        return tuple(sorted({*self.codes, *self.weaker}))


@dataclass(frozen=True, slots=True)
class Judged:
    """How many laws are judged with FEW jobs, of those that are judged without a limit."""

    spec: str
    few: int
    all: int

    @property
    def share(self) -> float:
        """The first as a share of the second; 0 where nothing is judged at all."""
        return self.few / self.all if self.all else 0.0


class Bench:
    """A simulator that serves some specs on a clock that is moved, with drifts that can be switched."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = urls
        self._contracts: dict[str, ContractUnderTest] = {}
        self._runs: Counter[str] = Counter()
        self._ask("POST", "sandboxes/server/clock", {"mode": "frozen", "now": BEGIN})

    def drifts(self) -> list[Mapping[str, Any]]:
        """All drifts that the simulator knows: name, code, summary, source."""
        return list(self._ask("GET", "drifts")["data"])

    def switch(self, *names: str) -> None:
        """Switch on these drifts and no others, for all keys."""
        self._ask("PUT", "sandboxes/server/drifts", {"names": list(names)})

    def play(self, spec: str, max_jobs: int | None = MAX_JOBS, about: str = "") -> History:
        """The history of one run. The n-th about the same is always the same."""
        if spec not in self._contracts:
            self._contracts[spec] = load_contract(spec)
        contract = self._contracts[spec]
        about = re.sub(r"[^a-z0-9]+", "-", f"{about or 'run'} {contract.name} {max_jobs}".lower())
        self._runs[about] += 1
        options = Options(
            key=f"sk-first-{about}-{self._runs[about]:03d}", second_key=f"sk-second-{about}-{self._runs[about]:03d}"
        )
        # Those who show no key share a sandbox: what earlier runs left there would change this one.
        self._ask("POST", "sandboxes/anonymous/reset")
        self._ask("DELETE", "sandboxes/anonymous/clock")
        with Service(self._urls[contract.name]) as service:
            return play(contract, service, Budget(max_jobs=max_jobs), options)

    def judge(self, spec: str, max_jobs: int | None = MAX_JOBS, about: str = "") -> list[Finding]:
        """What the laws find in one run."""
        outcomes = judge(self.play(spec, max_jobs, about), clause_of=lambda pointer: None)
        return [finding for outcome in outcomes for finding in outcome.findings]

    def catch(self, pair: Pair) -> Caught:
        """What the laws say with a drift on."""
        self.switch(pair.drift)
        if pair.scenario:
            self._ask("POST", "sandboxes/server/scenarios", {"name": pair.scenario})
        try:
            told = [f for f in self.judge(pair.contract, FEW, pair.drift) if f.severity is not Severity.NOTE]
        finally:
            self.switch()
            for each in self._ask("GET", "sandboxes/server/scenarios")["data"] if pair.scenario else ():
                self._ask("DELETE", f"sandboxes/server/scenarios/{each['id']}")
        codes = {f.code for f in told if f.severity.rank <= Severity.VIOLATION.rank}
        weaker = {f.code for f in told} - codes
        return Caught(pair.drift, pair.contract, tuple(sorted(codes)), tuple(sorted(weaker)), tuple(told))

    def judged(self, spec: str) -> Judged:
        """How much is judged with FEW jobs."""
        few, every = (self._judged(spec, limit) for limit in (FEW, None))
        return Judged(spec, len(few & every), len(every))

    def _judged(self, spec: str, max_jobs: int | None) -> set[str]:
        outcomes = judge(self.play(spec, max_jobs, "share"), clause_of=lambda pointer: None)
        return {outcome.code for outcome in outcomes if outcome.verdict is not Verdict.UNJUDGED}

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the control API. Raises LookupError if it does not do what is asked for."""
        parts = urlsplit(next(iter(self._urls.values())))
        with Service(f"{parts.scheme}://{parts.netloc}/__mockserver") as service:
            answer = service.ask(method, f"{service.base_url}/{path}", body)
        if answer is None:
            raise LookupError(f"the simulator refused {method} {path} {body or ''}")
        return answer


@contextmanager
def bench(specs: Sequence[str]) -> Iterator[Bench]:
    """A simulator for some specs while the block runs."""
    with simulator(specs, "", FROZEN) as urls:
        yield Bench(urls)


def pairs() -> Mapping[str, Pair]:
    """What power.yaml says, by the drift. Raises ValueError if an entry says both or neither of a law and a reason."""
    read = {name: Pair(name, **entry) for name, entry in yaml.safe_load(DATA.read_text("utf-8")).items()}
    for pair in read.values():
        if bool(pair.law) == bool(pair.legal) or (pair.law and pair.law not in all_laws()):
            raise ValueError(f"{DATA.name}: {pair.drift} names no known law, or both a law and a reason")
    return read


def specs_of(known: Mapping[str, Pair]) -> list[str]:
    """The contracts that the pairs need, and all bundled ones."""
    return list(dict.fromkeys([*bundled_names(), *(pair.contract for pair in known.values())]))


def row(pair: Pair, caught: Caught) -> str:
    """A drift's line of the table in the docs."""
    also = [f"({code})" if code in caught.weaker else code for code in caught.seen if code != pair.law]
    law = f"({pair.law})" if pair.law in caught.weaker else pair.law
    name = Path(pair.contract).stem
    if pair.law not in caught.seen and not pair.legal:
        law += " MISSED"
    return f"| {pair.drift} | {name} | {law or '–'} | {pair.legal or ', '.join(also) or '–'} |"


def write(rows: Sequence[str], page: Path = PAGE) -> None:
    """Put the table into the docs, between its marks. Raises ValueError if they are not there."""
    text = page.read_text("utf-8")
    lines = "\n".join(["| drift | contract | law | also seen by |", "|---|---|---|---|", *rows])
    written, count = _TABLE.subn(lambda found: f"{found[1]}\n{lines}\n\n{found[2]}", text)
    if count != 1:
        raise ValueError(f"{page} has {count} places for the table, expected 1")
    page.write_text(written, "utf-8")


def main(arguments: Sequence[str], say: Callable[[str], None] = print) -> int:
    """Print the table, and how much is judged with few jobs. 0: each drift is caught by its law, and enough is judged.

    Arguments are the names of drifts (none: all), and `--write`, which puts the table into the docs.
    """
    names = [name for name in arguments if name != "--write"]
    known = pairs()
    wanted = [pair for pair in known.values() if not names or pair.drift in names]
    if len(wanted) != (len(names) or len(known)) or (names and "--write" in arguments):
        say("unknown drifts, or --write with some drifts only")
        return 2
    rows, by_law, by_others, unseen, alarms = [], 0, 0, 0, 0
    with bench(specs_of(known)) as running:
        missing = {str(d["name"]) for d in running.drifts() if str(d["code"]).startswith("D")} ^ set(known)
        for pair in wanted:
            caught = running.catch(pair)
            rows.append(row(pair, caught))
            say(
                "  ".join(
                    f"{cell.strip():{width}}" for cell, width in zip(rows[-1].split("|")[1:], _WIDTHS, strict=False)
                )
            )
            by_law += pair.law in caught.seen
            by_others += bool(pair.law and caught.seen and pair.law not in caught.seen)
            unseen += bool(pair.law and not caught.seen)
            alarms += bool(pair.legal and caught.seen)
        legal = sum(bool(pair.legal) for pair in wanted)
        seen = f"{by_law} seen by the law that ought to, {by_others} by others only, {unseen} by none"
        say(f"{len(wanted)} drifts: {seen}; {legal} break no contract, {alarms} of these reported")
        judged = [running.judged(name) for name in bundled_names()]
    for each in judged:
        say(f"with {FEW} jobs {each.spec:14} {each.few} of {each.all} laws judged, {each.share:.0%}")
    for name in sorted(missing):
        say(f"{name}: in the simulator or in {DATA.name}, not in both")
    if "--write" in arguments:
        write(rows)
    is_bad = by_others or unseen or alarms or missing or any(each.share < SHARE for each in judged)
    return int(bool(is_bad))


_WIDTHS = (28, 14, 10, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
