"""What was concluded about a contract, told: as lines for a person, as data for a program, as an overlay to edit."""

import re
from typing import Any

from mockserver.jobs.resource import Action, Conclusion, Contract, JobOperation, JobResource
from mockserver.jobs.vocabulary import plain
from mockserver.openapi.document import pointer_text

MAX_NOTES = 12  # that are printed; a document can have hundreds of one kind
MARK = "?"  # before what could well be otherwise
_ROLES = ("id", "status", "progress", "created", "started", "completed", "updated", "expires", "result", "thumbnail",
          "error", "source")  # fmt: skip
_SINGLE = (Action.CREATE, Action.RETRIEVE, Action.LIST, Action.RESULT, Action.CONTENT, Action.CANCEL, Action.DELETE)
_PLAIN = re.compile(r"[A-Za-z_/][\w/.*-]*( [\w/.*-]+)*")  # YAML that needs no quotes
_WORDS_OF_YAML = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def as_lines(contract: Contract) -> list[str]:
    """Each conclusion with its evidence and confidence, its runners-up, and the line that would decide otherwise."""
    document = contract.document
    lines = [f"{document.origin}: OpenAPI {document.root['openapi']}, {len(document.operations)} operations"]
    width = max((len(c.topic) for c in contract.conclusions), default=0)
    for conclusion in contract.conclusions:
        mark = " " if conclusion.certain else MARK
        shown = f" {conclusion.confidence:.2f}" if conclusion.declare else ""
        lines.append(f"{mark} {conclusion.topic:<{width}}  {conclusion.value}  ({conclusion.evidence}){shown}")
        for value, confidence in conclusion.others:
            lines.append(f"  {'':<{width}}    or {value} {confidence:.2f}")
        if conclusion.declare and (conclusion.others or not conclusion.certain):
            lines.append(f"  {'':<{width}}    to decide otherwise: {_otherwise(conclusion)}")
    notes = [note.removeprefix(f"{document.origin}: ") for note in document.notes]
    lines += [f"  read otherwise than written: {note}" for note in notes[:MAX_NOTES]]
    if len(notes) > MAX_NOTES:
        lines.append(f"  read otherwise than written: {len(notes) - MAX_NOTES} places more (--json lists them)")
    unsure = sum(not c.certain for c in contract.conclusions)
    if unsure:
        lines.append(f"{unsure} uncertain: declare them in `x-job` (--overlay FILE writes a first overlay to edit).")
    return lines


def _otherwise(conclusion: Conclusion) -> str:
    """The line of `x-job` as one piece of YAML (`x-job: {resources: {video: {create: makeVideo}}}`)."""
    place, _, value = conclusion.declare.partition(": ")
    steps = place.split(".")
    text = value if value == "…" or value.startswith("{create: ") else _scalar(value)
    for step in reversed(steps[1:]):
        text = f"{{{_scalar(step)}: {text}}}"
    return f"{steps[0]}: {text}"


def as_data(contract: Contract) -> dict[str, Any]:
    """All that was concluded, in the types of JSON."""
    document = contract.document
    return {
        "document": document.origin,
        "openapi": document.root["openapi"],
        "operations": len(document.operations),
        "notes": list(document.notes),
        "resources": [_resource_data(resource) for resource in contract.resources],
        "conclusions": [
            {
                "topic": c.topic,
                "value": c.value,
                "evidence": c.evidence,
                "confidence": c.confidence,
                "others": [{"value": value, "confidence": confidence} for value, confidence in c.others],
                "declare": c.declare,
            }
            for c in contract.conclusions
        ],
    }


def _resource_data(resource: JobResource) -> dict[str, Any]:
    return {
        "name": resource.name,
        "id_format": resource.id_format,
        "id_text": resource.id_text,
        "words": {state.value: word for state, word in resource.words.items()},
        "operations": [_operation_data(part) for part in resource.operations],
    }


def _operation_data(part: JobOperation) -> dict[str, Any]:
    place = part.id_place
    view = part.view
    return {
        "action": part.action.value,
        "operation": part.operation.name,
        "operationId": part.operation.raw.get("operationId"),
        "id_in": {"in": place.place, "pointer": pointer_text(place.pointer)} if place else None,
        "job_at": pointer_text(view.pointer) if view else None,
        "fields": {role: [pointer_text(p) for p in pointers] for role, pointers in view.fields.items()} if view else {},
        "words": {state.value: list(words) for state, words in view.phases.items()} if view else {},
    }


def as_overlay(contract: Contract) -> str:
    """An overlay that declares what was concluded, for a person to edit."""
    lines = [
        "overlay: 1.0.0",
        f"info: {{title: {_scalar('Jobs of ' + contract.document.origin)}, version: 1.0.0}}",
        "actions:",
        "  - target: $",
        "    description: >-",
        "      What was concluded from the document. Change what is wrong, delete what need not be said, and say here",
        "      where each change comes from. Lines that end in `uncertain` want to be looked at.",
        "    update:",
        "      x-job:",
        "        resources:",
    ]
    for resource in contract.resources:
        lines += _resource_lines(contract, resource)
    return "\n".join(lines) + "\n"


def _resource_lines(contract: Contract, resource: JobResource) -> list[str]:
    sure = {c.topic: c for c in contract.conclusions if c.topic.startswith(f"{resource.name}: ")}
    lines = [f"          {_scalar(resource.name)}:"]

    def say(indent: int, key: str, value: str, topic: str) -> None:
        conclusion = sure.get(f"{resource.name}: {topic}")
        comment = f"  # {conclusion.evidence}" if conclusion else ""
        if conclusion and not conclusion.certain:
            comment += "; uncertain"
        lines.append(f"{' ' * indent}{_scalar(key)}: {value}{_one_line(comment)}")

    for action in _SINGLE:
        part = resource.first(action)
        if part:
            others = [p.operation.name for p in resource.operations if p.action is action and p is not part]
            say(12, action.value, _scalar(part.operation.name), action.value)
            lines += [f"            # also: {_one_line(name)}" for name in others]
    follow_ups = [p for p in resource.operations if p.action is Action.FOLLOW_UP]
    if follow_ups:
        lines.append("            follow-ups:")
        for part in follow_ups:
            source = part.id_place
            how = f"{{source: {_scalar(pointer_text(source.pointer))}}}" if source and source.place == "body" else "{}"
            lines.append(f"              {_scalar(part.operation.name)}: {how}")
    say(12, "id-format", _scalar(resource.id_format), "id")
    lines.append("            fields:")
    for role in _ROLES:
        pointers = _pointers_of(resource, role)
        if pointers:
            written = [_scalar(pointer) for pointer in pointers]
            say(14, role, written[0] if len(written) == 1 else f"[{', '.join(written)}]", f"{role} field")
    retrieve = resource.first(Action.RETRIEVE)
    words = retrieve.view.words if retrieve and retrieve.view else {}
    told = {state: words.get(state, word) for state, word in resource.words.items()}
    if told and not (retrieve and retrieve.ended):
        lines.append("            words:")
        for state, word in told.items():
            if f"{resource.name}: state {state.value}" in sure:
                text = str(word).lower() if isinstance(word, bool) else str(word)
                say(14, state.value, _scalar(text, quoted=not isinstance(word, str)), f"state {state.value}")
    return lines


def _pointers_of(resource: JobResource, role: str) -> list[str]:
    """Where a role's fields stand in the answer of retrieve; the id in those of creates too, if it is another field."""
    telling = [p for p in resource.operations if p.action is Action.RETRIEVE][:1]
    if role == "id":
        telling += [p for p in resource.operations if p.action is Action.CREATE]
    pointers = [pointer_text(place) for part in telling if part.view for place in part.view.fields.get(role, ())]
    return list(dict.fromkeys(pointers))


def _scalar(text: str, quoted: bool = False) -> str:
    """A text as YAML: plain where that is safe, else in double quotes."""
    if not quoted and _PLAIN.fullmatch(text) and plain(text) not in _WORDS_OF_YAML:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'


def _one_line(text: str) -> str:
    return " ".join(text.split()) if not text.startswith("  ") else "  " + " ".join(text.split())
