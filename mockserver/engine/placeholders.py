"""Templates of what a drift writes: `{message}` and the like, filled in from the answer that it writes otherwise."""

import re
from email.utils import formatdate
from typing import Any

from mockserver.engine.drafts import NO_JSON, Draft, is_list
from mockserver.engine.rewriting import SAME
from mockserver.plans.drift import PLACEHOLDERS

_PLACEHOLDER = re.compile(rf"\{{({'|'.join(sorted(PLACEHOLDERS))})\}}")


class Values:
    """What placeholders stand for; None for what this answer has not."""

    def __init__(self, draft: Draft, number: int) -> None:
        self._draft = draft
        self._number = number

    def get(self, name: str) -> Any:
        """The value of a placeholder; SAME if there is none."""
        draft = self._draft
        exchange = draft.exchange
        if name == "body":
            return draft.value if draft.value is not NO_JSON else SAME
        if name == "json":
            return draft.content.decode() if draft.value is not NO_JSON else SAME
        if name == "job":
            return draft.jobs[0].fields if len(draft.jobs) == 1 and not is_list(draft) else SAME
        if name == "items":
            return draft.items if draft.items is not None else SAME
        if name in ("error", "message", "code", "type"):
            found = draft.error() if draft.is_error else None
            if found is None:
                return SAME
            fields, roles = found
            return fields if name == "error" else fields[roles[name]] if name in roles else None
        if name == "id":
            return exchange.job.id if exchange.job else SAME
        if name == "url":
            job = exchange.job
            return f"{exchange.request.site}/unfinished/{job.id}.mp4" if job else SAME
        plain = {"status": draft.status, "site": exchange.request.site, "count": self._number, "now": int(exchange.now)}
        if name == "date":  # the machine's, by which clients wait
            return formatdate(exchange.real + 1, usegmt=True)
        return plain.get(name, SAME)


def fill(template: Any, values: Values) -> Any:
    """A template with its placeholders filled in; SAME if one of them stands for nothing here."""
    if isinstance(template, dict):
        filled = {name: fill(value, values) for name, value in template.items()}
        return SAME if any(value is SAME for value in filled.values()) else filled
    if isinstance(template, list):
        items = [fill(value, values) for value in template]
        return SAME if any(item is SAME for item in items) else items
    if not isinstance(template, str):
        return template
    if match := _PLACEHOLDER.fullmatch(template):
        return values.get(match[1])
    found = {name: values.get(name) for name in _PLACEHOLDER.findall(template)}
    if any(value is SAME for value in found.values()):
        return SAME
    return _PLACEHOLDER.sub(lambda match: str(found[match[1]]), template)
