"""What a refusal means: which kind of `x-job.refusals` an answer is, and the HTTP status that says so.

Some providers answer every request with 200 and put the code of a refusal into the body. A check that looks at the
status would see nothing but successes there, so the checks are shown the status that the code stands for.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from mockserver.jobs.declaration import REFUSALS
from mockserver.jobs.resource import Contract, RefusalRule

_PLACEHOLDER = re.compile(r"\{[a-z_]+\}")
_SILENT = RefusalRule(None, None)


class _Rule(NamedTuple):
    """How one kind is refused: the status on the wire, the status shown to the checks, and the body's template."""

    status: int
    shown: int
    template: Any


class Refusals:
    """The refusals of one contract: as its `x-job.refusals` declares them, else as HTTP has them."""

    def __init__(self, contract: Contract) -> None:
        declared = contract.refusals
        default = declared.get("default", _SILENT)
        self._rules = {kind: _rule(kind, declared.get(kind, default), default) for kind in REFUSALS}
        self.success_statuses = {rule.status for rule in self._rules.values() if rule.status < 300}

    def shown_status(self, status: int, body: Any) -> int:
        """The status that says what an answer is: its own, unless it is a refusal under the status of a success."""
        fitting = (rule for rule in self._rules.values() if rule.status == status and _can_be(rule, body))
        return next((rule.shown for rule in fitting), status) if status in self.success_statuses else status

    def kinds(self, shown_status: int, body: Any) -> set[str]:
        """The kinds of refusal that an answer can be. Several, where a contract gives them the same face."""
        return {kind for kind, rule in self._rules.items() if rule.shown == shown_status and _can_be(rule, body)}

    def marks(self) -> Iterator[dict[str, int]]:
        """The numbers by which refusals under the status of a success are known, by their field in the body."""
        for rule in self._rules.values():
            if rule.status in self.success_statuses:
                yield _numbers(rule.template)


def _rule(kind: str, rule: RefusalRule, default: RefusalRule) -> _Rule:
    status = rule.status or default.status or REFUSALS[kind]
    template = rule.body if rule.body is not None else default.body
    if status >= 300:
        return _Rule(status, status, template)
    # A provider that numbers its refusals like HTTP means what HTTP means; else the kind says what was meant.
    shown = next((number for number in _numbers(template).values() if 400 <= number <= 599), REFUSALS[kind])
    return _Rule(status, shown, template)


def _numbers(template: Any) -> dict[str, int]:
    entries = template.items() if isinstance(template, dict) else ()
    return {name: value for name, value in entries if isinstance(value, int)}


def _can_be(rule: _Rule, body: Any) -> bool:
    return rule.template is None or _fits(rule.template, body)


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
