"""The power of the laws: each drift of the simulator, and which laws see it. `make power` prints it.

One server for all; drifts are switched over its control API, and each run has keys, and so sandboxes, of its own.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from contract_tests.contract import ContractUnderTest, load_contract
from contract_tests.finding import Finding, Severity
from contract_tests.history import History
from contract_tests.judging import judge
from contract_tests.playing.budget import Budget
from contract_tests.playing.stories import Options, play
from contract_tests.playing.target import Service
from contract_tests.simulator import simulator
from mockserver.loading.providers import bundled_names

MAX_JOBS = 60  # of one run; the simulator's cost nothing
FROZEN = ("--clock", "frozen", "--seed", "1")
ODDITY = "legal-"  # how the names of switches begin that make an answer odd, and not wrong
OTHERS = ("tests/documents/batches.yaml",)  # no bundled provider's jobs can be cancelled
# What else has to happen for a drift to show.
SCENARIOS = {"rate-limit-without-wait": "rate-limited-on-poll", "rate-limit-as-400": "rate-limited-on-poll"}
# Drifts that change nothing that a contract says: they trouble clients, and a law against them would be a false alarm.
LEGAL = {
    "progress-stuck": "progress may stay flat",
    "progress-jumps": "progress may jump",
    "request-id-missing": "no contract here declares that header",
    "poll-header-missing": "no contract here declares that header",
}


@dataclass(frozen=True, slots=True)
class Caught:
    """What the laws said with one drift on: codes of violations, of warnings and notes, and where it was tried."""

    drift: str
    spec: str
    codes: tuple[str, ...]
    weaker: tuple[str, ...]
    findings: tuple[Finding, ...] = ()


class Bench:
    """A simulator that serves some specs on a clock that is moved, with drifts that can be switched."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = urls
        self._contracts: dict[str, ContractUnderTest] = {}
        self._runs = 0

    def drifts(self) -> list[Mapping[str, Any]]:
        """All drifts that the simulator knows: name, code, summary, source."""
        with Service(next(iter(self._urls.values()))) as service:
            told = service.ask("GET", f"{self._control(service)}/drifts")
        return list(told["data"])

    def switch(self, *names: str) -> None:
        """Switch on these drifts and no others, for all keys."""
        with Service(next(iter(self._urls.values()))) as service:
            path = f"{self._control(service)}/sandboxes/server/drifts"
            if service.ask("PUT", path, {"names": list(names)}) is None:
                raise LookupError(f"the simulator did not take the drifts {', '.join(names)}")

    def play(self, spec: str, max_jobs: int = MAX_JOBS) -> History:
        """The history of one run."""
        if spec not in self._contracts:
            self._contracts[spec] = load_contract(spec)
        contract = self._contracts[spec]
        self._runs += 1
        options = Options(key=f"sk-first-{self._runs:012d}", second_key=f"sk-second-{self._runs:012d}")
        with Service(self._urls[contract.name]) as service:
            return play(contract, service, Budget(max_jobs=max_jobs), options)

    def judge(self, spec: str) -> list[Finding]:
        """What the laws find in one run."""
        return [f for outcome in judge(self.play(spec), clause_of=lambda pointer: None) for f in outcome.findings]

    def catch(self, drift: str, specs: Sequence[str]) -> Caught:
        """What the laws say with a drift on, by the first of the specs with which they see a violation."""
        best = Caught(drift, "", (), ())
        self.switch(drift)
        if drift in SCENARIOS:
            self._activate(SCENARIOS[drift])
        try:
            for spec in specs:
                findings = self.judge(spec)
                codes = sorted({f.code for f in findings if f.severity.rank <= Severity.VIOLATION.rank})
                weaker = sorted({f.code for f in findings} - set(codes))
                caught = Caught(drift, spec, tuple(codes), tuple(weaker), tuple(findings))
                if codes:
                    return caught
                if weaker and not best.weaker:
                    best = caught
        finally:
            self.switch()
            if drift in SCENARIOS:
                self._activate("")
        return best

    def _activate(self, scenario: str) -> None:
        """Let a scenario happen from now on; '' ends it."""
        with Service(next(iter(self._urls.values()))) as service:
            path = f"{self._control(service)}/sandboxes/server/scenarios"
            if scenario:
                service.ask("POST", path, {"name": scenario})
            else:
                for each in (service.ask("GET", path) or {}).get("data", []):
                    service.ask("DELETE", f"{path}/{each['id']}")

    @staticmethod
    def _control(service: Service) -> str:
        parts = urlsplit(service.base_url)
        return f"{parts.scheme}://{parts.netloc}/__mockserver"


@contextmanager
def bench(specs: Sequence[str]) -> Iterator[Bench]:
    """A simulator for some specs while the block runs."""
    with simulator(specs, "", FROZEN) as urls:
        yield Bench(urls)


def table(names: Sequence[str] = (), specs: Sequence[str] = ()) -> Iterator[Caught]:
    """Each drift (or some of them) with the laws that see it, one after the other."""
    if not specs:  # the richest first
        specs = [*sorted(bundled_names(), key=lambda name: -len(load_contract(name).parts)), *OTHERS]
    with bench(specs) as running:
        for drift in running.drifts():
            if drift["code"].startswith("D") and (not names or drift["name"] in names):
                yield running.catch(str(drift["name"]), specs)


def main(names: Sequence[str]) -> int:
    """Print the table: drifts, and the laws that see them."""
    found = []
    for caught in table(names):
        found.append(caught)
        weaker = f"({', '.join(caught.weaker)})" if caught.weaker else ""
        told = ", ".join(caught.codes) or weaker or LEGAL.get(caught.drift, "not seen")
        print(f"{caught.drift:28} {caught.spec:14} {told}", flush=True)
    seen, weak = sum(bool(c.codes) for c in found), sum(bool(c.weaker and not c.codes) for c in found)
    print(f"{len(found)} drifts: {seen} seen as violations, {weak} as warnings, {len(found) - seen - weak} not seen")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
