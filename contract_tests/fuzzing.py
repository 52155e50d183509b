"""Fuzzed requests, by schemathesis: what each of its checks comes to, as an outcome beside those of the laws."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contract_tests.contract import ContractUnderTest
from contract_tests.finding import Finding, Outcome, Severity, Verdict
from contract_tests.history import INTERRUPTED
from contract_tests.playing.player import Tell
from mockserver.errors import MockserverError
from mockserver.masking import Masking

if TYPE_CHECKING:
    from contract_tests.run import Run

CODES = {
    "not_a_server_error": "SCH001",
    "status_code_conformance": "SCH002",
    "content_type_conformance": "SCH003",
    "response_headers_conformance": "SCH004",
    "response_schema_conformance": "SCH005",
    "negative_data_rejection": "SCH006",
    "positive_data_acceptance": "SCH007",
    "missing_required_header": "SCH008",
    "unsupported_method": "SCH009",
    "allow_header_conformance": "SCH010",
    "use_after_free": "SCH011",
    "ensure_resource_availability": "SCH012",
    "ignored_auth": "SCH013",
}
WHOLE, OTHER = "SCH000", "SCH099"  # of fuzzing as a whole, where it was left out, and of checks of later versions
FAMILY = "SCH"
# Checks that look at what writing did, or send methods that a path does not have: nothing to judge where only what
# reads is sent.
_OF_WRITES = {"unsupported_method", "allow_header_conformance", "use_after_free", "ensure_resource_availability"}
_ONLY_READS = "jobs are limited here, so only operations that read were fuzzed"
_SERIOUS = {"not_a_server_error": Severity.BREAKS, "ignored_auth": Severity.BREAKS}
_MOST = 2000  # characters of a message
_TITLE = "Fuzzed requests are answered as the document says"


class NoSchemathesis(MockserverError):
    """The library that fuzzes is not installed."""


@dataclass(frozen=True, slots=True)
class Fuzzing:
    """How a service is fuzzed: the arguments of `build_schema`, and `check`, the command that does it again."""

    url: str
    key: str
    examples: int
    only_reads: bool = False
    covers: bool = True
    rate_limit: str = ""
    check: str = ""


def fuzz(
    contract: ContractUnderTest, how: Fuzzing, masking: Masking, progress: Tell | None = None
) -> tuple[list[Outcome], float, int]:
    """The checks of schemathesis as outcomes, with the seconds and the requests they took. Raises MockserverError."""
    try:
        from contract_tests.run import run
        from contract_tests.schema import build_schema
    except ImportError:
        raise NoSchemathesis(
            "schemathesis is not installed: `pip install 'mockserver[contract]'`, or leave it out with --no-schema."
        ) from None
    limits: dict[str, Any] = {"only_reads": how.only_reads, "covers": how.covers, "rate_limit": how.rate_limit}
    try:
        schema = build_schema(contract, how.url, how.key, how.examples, **limits)
        result = run(schema, progress)
    except KeyboardInterrupt:  # before there was anything to tell
        return [unfuzzed(INTERRUPTED)], 0.0, 0
    return _outcomes(result, how, masking), result.seconds, result.sent


def unfuzzed(why: str) -> Outcome:
    """What stands in a report where nothing was fuzzed."""
    return Outcome(WHOLE, _TITLE, Verdict.UNJUDGED, (why,))


def _outcomes(result: "Run", how: Fuzzing, masking: Masking) -> list[Outcome]:
    findings: dict[str, list[Finding]] = {check: [] for check in CODES}
    for seen in result.findings.values():
        code = CODES.get(seen.check, OTHER)
        findings.setdefault(seen.check, []).append(
            Finding(
                code=code,
                title=seen.title,
                severity=_SERIOUS.get(seen.check, Severity.VIOLATION),
                message=masking.text(f"{seen.message}\n{seen.answer}")[:_MOST],
                operation=seen.operation,
                repeat=(masking.text(seen.request), f"{how.check} --only {code}"),
                count=seen.count,
                cause=f"{seen.check}: {seen.title}",
            )
        )
    return [_outcome(check, found, result, how) for check, found in findings.items()]


def _outcome(check: str, found: list[Finding], result: "Run", how: Fuzzing) -> Outcome:
    reasons, verdict = tuple(result.errors[:3]), Verdict.VIOLATES if found else Verdict.CONFORMS
    if how.only_reads:
        reasons = (_ONLY_READS, *reasons)
    is_blind = (how.only_reads and check in _OF_WRITES) or not result.checked[check]
    if is_blind and not found:
        verdict = Verdict.UNJUDGED
        reasons = reasons or ("no request was sent that it could judge",)
    title = f"schemathesis: {check.replace('_', ' ')}"
    return Outcome(CODES.get(check, OTHER), title, verdict, reasons, tuple(found))
