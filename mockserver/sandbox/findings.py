"""What is looked for in a client's conduct, and what was found. docs/verdict.md tells of each code."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from mockserver.sandbox.journal import Entry

MOST_EVIDENCE = 10  # numbers of entries
MOST_DETAILS = 10  # lines


class Severity(StrEnum):
    """`error`: costs money or breaks; `warning`: could; `note`: good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Rule(NamedTuple):
    """What is looked for: a stable code, its severity, what was found in a few words, and what to do."""

    code: str
    severity: Severity
    title: str
    advice: str


_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE
_RULES = (
    Rule("V01", _W, "polled sooner than asked",
         "Wait as long as the header of the previous answer says (Retry-After, or the provider's own) before you "
         "poll again; who does not is slowed down or shut out."),
    Rule("V02", _W, "polled a job after its end was told",
         "Stop at every status that is final, failures too. Polling on is how a client runs into its own timeout "
         "with a job that is done and paid for."),
    Rule("V03", _E, "used a result before there was one",
         "Fetch the result when the status says that the job has succeeded, and check the status of the answer "
         "before you save it: else an error message ends up in the file."),
    Rule("V04", _E, "sent a refused request again",
         "Only 408, 409, 425, 429 and 5xx can go better the second time. Tell any other 4xx to the user."),
    Rule("V05", _E, "ignored Retry-After",
         "After a 429 or 503 wait as long as Retry-After (or retry-after-ms) says before you send it again."),
    Rule("V06", _E, "made a job twice by retrying",
         "The first request may have made a job although its answer was lost or an error. Send the same "
         "Idempotency-Key with each attempt, or look for the job in the list first: it is paid for twice "
         "otherwise."),
    Rule("V07", _W, "made the same job again within seconds",
         "If that was meant, all is well; if it was a retry or a second click, it is paid for twice. An "
         "Idempotency-Key tells the two apart."),
    Rule("V08", _E, "gave a job up after a passing error",
         "A broken connection, a 429 or a 5xx on a poll says nothing about the job: it runs on and is paid for. "
         "Poll again after a pause."),
    Rule("V09", _W, "never read how a job failed",
         "Poll each job until its end and show the error that it has then: it says whether another try can help."),
    Rule("V10", _E, "fetched the result of a job that had not succeeded",
         "Look at the status before you fetch: a job that failed has an error, not a result."),
    Rule("V11", _W, "never fetched a result that was paid for",
         "Poll until the end and fetch the result before it expires. A client whose own timeout is shorter than "
         "the queue loses what it has paid for."),
    Rule("V12", _W, "left a job unfinished",
         "It runs on and is paid for. Wait for it, keep its id for later, or cancel it where the contract can."),
    Rule("V13", _W, "left finished jobs undeleted",
         "Delete a job when its result is saved: prompts and results stay with the provider otherwise."),
    Rule("V14", _E, "sent invalid requests",
         "The contract does not allow what was sent; each line says where and what is expected."),
    Rule("V15", _E, "asked for what the contract does not have",
         "Check the base URL and the path: a missing or doubled `/v1` is the usual reason."),
    Rule("V16", _E, "used a key that is refused, or none",
         "Send a valid key in the way that the contract says, and do not go on after a 401."),
    Rule("V17", _W, "polled far more often than was needed",
         "Most answers told nothing new. Poll as often as the provider advises, and less often the longer a job "
         "takes."),
    Rule("V18", _N, "created without an Idempotency-Key",
         "Where the provider honours it, a key makes it safe to send a create again."),
    Rule("V19", _N, "never used some operations",
         "Nothing is known about how the client copes with these."),
)  # fmt: skip
RULES: Mapping[str, Rule] = {rule.code: rule for rule in _RULES}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a client did wrong, so many times.

    `evidence` are the numbers of up to 10 entries of the journal of `sandbox` ('' for all), `details` say more.
    """

    code: str
    severity: Severity
    count: int
    evidence: tuple[int, ...] = ()
    details: tuple[str, ...] = ()
    sandbox: str = ""

    @property
    def title(self) -> str:
        return RULES[self.code].title

    @property
    def advice(self) -> str:
        return RULES[self.code].advice

    @property
    def as_data(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "severity": self.severity.value,
            "title": self.title,
            "count": self.count,
            "sandbox": self.sandbox,
            "evidence": list(self.evidence),
            "details": list(self.details),
            "advice": self.advice,
        }


def finding(
    code: str,
    entries: Sequence[Entry],
    details: Iterable[str] = (),
    sandbox: str = "",
    *,
    count: int | None = None,
    severity: Severity | None = None,
) -> Finding:
    lines = list(dict.fromkeys(details))
    if len(lines) > MOST_DETAILS:
        lines[MOST_DETAILS:] = [f"and {len(lines) - MOST_DETAILS} more"]
    numbers = tuple(entry.number for entry in entries[:MOST_EVIDENCE])
    counted = len(entries) if count is None else count
    return Finding(code, severity or RULES[code].severity, counted, numbers, tuple(lines), sandbox)
