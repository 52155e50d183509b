"""What a refusal means: which kind of `x-job.refusals` an answer is, and the HTTP status that such a kind usually has.

Some providers answer every request with 200 and put the refusal's code into the body. A check that looks at the
status would see nothing but successes there, so the checks are shown the status that the code stands for.
"""

import re
from collections.abc import Iterator
from typing import Any

from mockserver.jobs.declaration import REFUSALS
from mockserver.jobs.resource import Contract, RefusalRule

_PLACEHOLDER = re.compile(r"\{[a-z_]+\}")
_NOTHING = RefusalRule(None, None)


class Refusals:
    """The refusals of one contract, as its `x-job.refusals` declares them and RFC 9110 where it is silent."""

    def __init__(self, contract: Contract) -> None:
        declared = contract.refusals
        default = declared.get("default", _NOTHING)
        self._rules = {
            kind: _completed(declared.get(kind, default), default, usual) for kind, usual in REFUSALS.items()
        }
        self.success_statuses = {status for status, _ in self._rules.values() if status < 300}

    def kinds(self, status: int, body: Any) -> set[str]:
        """All kinds that an answer can be, by its status and what its body's template fixes."""
        rules = self._rules.items()
        return {k for k, (known, body_of) in rules if known == status and (body_of is None or _fits(body_of, body))}

    def plain_status(self, status: int, body: Any) -> int:
        """The status that tells what an answer is: its own, unless it is a refusal under a success status."""
        if status not in self.success_statuses:
            return status
        kinds = self.kinds(status, body)
        return next((_usual_status(kind, self._rules[kind][1]) for kind in REFUSALS if kind in kinds), status)

    def marks(self) -> Iterator[list[tuple[str, Any]]]:
        """For each kind that has the status of a success, the body's top-level fields by which it is known."""
        for status, template in self._rules.values():
            if status in self.success_statuses and isinstance(template, dict):
                yield [(name, value) for name, value in template.items() if isinstance(value, int)]


def _completed(rule: RefusalRule, default: RefusalRule, usual: int) -> tuple[int, Any]:
    return rule.status or default.status or usual, rule.body if rule.body is not None else default.body


def _usual_status(kind: str, template: Any) -> int:
    """Of a code that is itself an HTTP error status that status; of any other code the usual one of the kind."""
    values = template.values() if isinstance(template, dict) else ()
    return next((v for v in values if isinstance(v, int) and 400 <= v <= 599), REFUSALS[kind])


def _fits(template: Any, value: Any) -> bool:
    """Whether a value can have been made from a template."""
    if isinstance(template, dict):
        return isinstance(value, dict) and all(k in value and _fits(v, value[k]) for k, v in template.items())
    if isinstance(template, list):
        return isinstance(value, list) and len(value) == len(template) and all(map(_fits, template, value))
    if not isinstance(template, str) or not _PLACEHOLDER.search(template):
        return bool(template == value)
    text = ".*".join(map(re.escape, _PLACEHOLDER.split(template)))
    return bool(_PLACEHOLDER.fullmatch(template) or (isinstance(value, str) and re.fullmatch(text, value, re.DOTALL)))
