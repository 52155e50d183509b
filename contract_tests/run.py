"""One run of schemathesis' engine over a schema, with what it found, what it sent and what was answered."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from schemathesis.engine import StopReason, events, from_schema
from schemathesis.engine.recorder import CheckNode, ScenarioRecorder
from schemathesis.specs.openapi.schemas import OpenApiSchema

MAX_SHOWN = 700  # characters of a message, a request or an answer


@dataclass(slots=True)
class Finding:
    """One kind of failure of one operation: how often it was seen, and the first sight of it."""

    operation: str
    check: str
    message: str
    request: str
    answer: str
    count: int = 0

    def __str__(self) -> str:
        times = f" ({self.count} times)" if self.count > 1 else ""
        return f"{self.operation}: {self.check}{times}\n{_indented(self.message, self.request, self.answer)}"


@dataclass(slots=True)
class Run:
    """What came of a run. `requests` and `successes` count requests and 2xx answers by operation."""

    requests: Counter[str] = field(default_factory=Counter)
    successes: Counter[str] = field(default_factory=Counter)
    findings: dict[tuple[str, str, str], Finding] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    excused: int = 0
    seconds: float = 0.0

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
                self.errors += [f"{failure}" for failure in event.failures]
                if event.stop_reason is not StopReason.COMPLETED:
                    self.errors.append(f"stopped early: {event.stop_reason}")

    def _take_scenario(self, recorder: ScenarioRecorder) -> None:
        self.excused += sum(recorder.filtered_failures.values())
        for id, interaction in recorder.interactions.items():
            case = recorder.cases[id].value
            if case.method != case.operation.method.upper():
                continue  # a method that the path does not have
            self.requests[case.operation.label] += 1
            if interaction.response and 200 <= interaction.response.status_code < 300:
                self.successes[case.operation.label] += 1
        for id, checks in recorder.checks.items():
            for check in checks:
                self._take_check(check, recorder.interactions[id].response)

    def _take_check(self, check: CheckNode, response: Any) -> None:
        if check.failure_info is None:
            return
        failure = check.failure_info.failure
        key = (failure.operation or "", check.name, failure.title)
        if key not in self.findings:
            answer = f"{response.status_code} {response.text_lossy()}" if response else "no answer"
            self.findings[key] = Finding(
                key[0], f"{check.name}: {failure.title}", failure.message, check.failure_info.code_sample, answer
            )
        self.findings[key].count += 1


def run(schema: OpenApiSchema) -> Run:
    """Run all phases over a schema."""
    result = Run()
    for event in from_schema(schema).execute():
        result.take(event)
    return result


def _indented(*texts: str) -> str:
    shown = (text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…" for text in texts)
    return "\n".join(f"    {line}" for text in shown for line in text.splitlines() if line.strip())
