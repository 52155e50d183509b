"""A document against itself: rules that look for what it says in two ways, or does not say. No request is sent."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from contract_tests.clauses import Published, read_published
from contract_tests.finding import Deviation, Finding, Outcome, Severity, Unjudged, Verdict
from contract_tests.lint.subject import Subject
from mockserver.errors import MockserverError

Look = Callable[[Subject], Iterator[Deviation | Unjudged]]
MAX_FINDINGS = 100  # of one rule; the rest is counted


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of lint."""

    code: str
    title: str
    severity: Severity
    look: Look


RULES: dict[str, Rule] = {}


def rule(code: str, title: str, severity: Severity) -> Callable[[Look], Look]:
    """Make a function a rule. Codes are stable. A pointer of a deviation leads into the document."""

    def keep(look: Look) -> Look:
        if code in RULES:
            raise ValueError(f"{code} stands for two rules")
        RULES[code] = Rule(code, title, severity, look)
        return look

    return keep


def all_rules() -> Mapping[str, Rule]:
    """Every rule by its code, in order."""
    from contract_tests.lint import (  # noqa: F401  # they register themselves
        examples,
        fields,
        lists,
        outline,
        prose,
        refusals,
        security,
        siblings,
        states,
    )

    return dict(sorted(RULES.items()))


def lint(spec: str | Published, raw: bool = False, codes: frozenset[str] | None = None) -> list[Outcome]:
    """What each rule comes to for a bundled provider's name, a folder or a file. Raises MockserverError.

    `raw`: as it is published, without the overlay beside it. `codes`: these rules alone.
    """
    published = spec if isinstance(spec, Published) else read_published(spec, raw=raw)
    subject = Subject(published)
    _ = subject.document.operations  # what cannot be read at all is an error, not a finding
    return [_judged(each, subject) for each in all_rules().values() if codes is None or each.code in codes]


def _judged(each: Rule, subject: Subject) -> Outcome:
    found: dict[tuple[str, str], list[Deviation]] = {}
    reasons: list[str] = []
    try:
        for said in each.look(subject):
            if isinstance(said, Unjudged):
                reasons.append(said.reason)
            else:
                key = ("", said.cause) if said.cause else (said.operation, f"{said.pointer} {said.message}")
                found.setdefault(key, []).append(said)
    except MockserverError as error:  # a reference that leads nowhere, say: another rule tells of that
        reasons.append(f"The document cannot be read that far: {error}")
    except (TypeError, AttributeError, ValueError, KeyError, IndexError, RecursionError) as error:
        # Documents hold anything anywhere; what one rule cannot read must not keep the others from being told.
        reasons.append(f"The document holds what this rule does not expect: {type(error).__name__}: {error}")
    findings = tuple(_finding(each, subject, alike) for alike in list(found.values())[:MAX_FINDINGS])
    if len(found) > MAX_FINDINGS:
        reasons.append(f"{len(found)} places were found; {MAX_FINDINGS} are listed.")
    is_broken = any(finding.severity.rank <= Severity.VIOLATION.rank for finding in findings)  # as with the laws
    verdict = Verdict.VIOLATES if is_broken else Verdict.UNJUDGED if reasons else Verdict.CONFORMS
    return Outcome(each.code, each.title, verdict, tuple(reasons), findings)


def _finding(each: Rule, subject: Subject, alike: list[Deviation]) -> Finding:
    first = alike[0]
    published = subject.published
    return Finding(
        each.code,
        each.title,
        first.severity or each.severity,
        first.message,
        first.operation,
        published.clause(first.pointer),
        repeat=(f"mockserver lint {published.spec} --only {each.code}",),
        count=len(alike),
        cause=first.cause,
    )
