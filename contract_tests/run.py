"""One run of schemathesis' engine over a schema, with what it found, what it sent and what was answered."""

from collections import Counter
from dataclasses import dataclass, field

from schemathesis.engine import StopReason, events, from_schema
from schemathesis.engine.recorder import CheckFailureInfo, ScenarioRecorder

from contract_tests.bounded import Bounds, requests_within
from contract_tests.history import INTERRUPTED
from contract_tests.playing.player import Tell
from contract_tests.schema import ContractSchema

MAX_WIDTH = 600  # characters of a line; forms and odd keys make requests long


@dataclass(slots=True)
class Finding:
    """One kind of failure of one operation: how often it was seen, and the first sight of it."""

    operation: str
    check: str
    title: str
    message: str
    request: str
    answer: str
    count: int = 0

    def __str__(self) -> str:
        times = f" ({self.count} times)" if self.count > 1 else ""
        details = _indented(self.message, self.request, self.answer)
        return f"{self.operation}: {self.check}: {self.title}{times}\n{details}"


@dataclass(slots=True)
class Run:
    """What came of a run. `requests` and `successes` count requests and 2xx answers by operation.

    `sent` counts all requests, those with methods that a path does not have included; `excused` the failures that
    were taken for none, by reason; `checked` how often each check was made.
    """

    sent: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    successes: Counter[str] = field(default_factory=Counter)
    findings: dict[tuple[str, str, str], Finding] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    excused: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def __str__(self) -> str:
        answered = f"{len(self.successes)} of {len(self.requests)} operations answered with 2xx"
        excused = ", ".join(f"{count} × {reason}" for reason, count in self.excused.items()) or "nothing"
        return f"{self.sent} requests in {self.seconds:.1f} s; {answered}; excused: {excused}"

    def take(self, event: events.EngineEvent) -> None:
        """Add what an event tells."""
        match event:
            case events.ScenarioFinished():
                self._take_scenario(event.recorder)
            case events.NonFatalError():
                self.errors.append(f"{event.label}: {event.info.title}: {event.info.message}")
            case events.FatalError():
                self.errors.append(f"schemathesis failed: {event.exception!r}")
            case events.EngineFinished():
                self.seconds = event.running_time
                self.errors += map(str, event.failures)
                if event.stop_reason is StopReason.INTERRUPTED:
                    self.errors.insert(0, INTERRUPTED)
                elif event.stop_reason is not StopReason.COMPLETED:
                    self.errors.append(f"stopped early: {event.stop_reason}")

    def _take_scenario(self, recorder: ScenarioRecorder) -> None:
        self.sent += len(recorder.interactions)
        for id, interaction in recorder.interactions.items():
            case = recorder.cases[id].value
            if case.method != case.operation.method.upper():
                continue  # a method that the path does not have
            self.requests[case.operation.label] += 1
            if interaction.response and 200 <= interaction.response.status_code < 300:
                self.successes[case.operation.label] += 1
        for id, checks in recorder.checks.items():
            for check in checks:
                self.checked[check.name] += 1
                if check.failure_info:
                    self._take_failure(check.name, check.failure_info, recorder, id)

    def _take_failure(self, check: str, info: CheckFailureInfo, recorder: ScenarioRecorder, id: str) -> None:
        failure = info.failure
        key = (failure.operation or "", check, failure.title)
        if key not in self.findings:
            response = recorder.interactions[failure.case_id or id].response
            answer = f"{response.status_code} {response.text_lossy()}" if response else "no answer"
            self.findings[key] = Finding(*key, failure.message, info.code_sample, answer)
        self.findings[key].count += 1


def run(schema: ContractSchema, progress: Tell | None = None) -> Run:
    """Run all phases over a schema, telling `progress` of each step. Ctrl-C ends it with what is known."""
    result = Run(excused=schema.excuses.given)
    phase, bounds = "", Bounds()
    stream = from_schema(schema).execute()
    try:
        with requests_within(bounds, schema.get_base_url()):
            for event in stream:
                result.take(event)
                if bounds.given_up:
                    stream.stop()
                if isinstance(event, events.PhaseStarted):
                    phase = event.phase.name.value.lower()
                if progress:
                    progress("schema", f"schemathesis, {phase}: {result.sent} requests")
    except KeyboardInterrupt:  # which the engine handles only while it sends
        result.errors.insert(0, INTERRUPTED)
    if why := bounds.given_up:
        result.errors.insert(0, why)
    return result


def _indented(*texts: str) -> str:
    lines = (line.strip() for text in texts for line in text.splitlines())
    return "\n".join(f"    {line[:MAX_WIDTH]}{'…' * (len(line) > MAX_WIDTH)}" for line in lines if line)
