"""What is kept of a request: the fields that an answer may repeat or that shape the result, and nothing else."""

from collections.abc import Mapping
from sys import intern
from typing import Any

import orjson

from mockserver.engine.refusal import Refusal, Violation
from mockserver.engine.rendering import request_properties
from mockserver.engine.results import DEFAULT_SECONDS, DEFAULT_SIZE
from mockserver.engine.sampling import MAX_INTEGER
from mockserver.engine.texts import without_files
from mockserver.form import UploadedFile
from mockserver.jobs.job import Job
from mockserver.jobs.resource import Action, Contract, JobOperation, JobResource
from mockserver.jobs.vocabulary import Vocabulary, plain
from mockserver.openapi.schema import Shape, reference_of, shape_of

MAX_TEXT = 100_000  # characters of one text that is no data URL, where the contract sets no limit; prompts: 32,000
ANSWER_LEVELS = 4  # of an answer: an envelope, a list, a job, and what stands in it
SHORT = 24  # characters; models, sizes and lengths, of which many jobs have the same: kept once


def inherit(earlier: Job, inputs: dict[str, Any], part: JobOperation) -> dict[str, Any]:
    merged = {**earlier.inputs, **inputs}
    for name in part.sums:
        try:
            merged[name] = _sum(earlier.inputs.get(name, 0), inputs.get(name, 0))
        except (TypeError, ValueError):
            continue  # one of them is no number: the request's own stands
    return merged


def _sum(first: Any, second: Any) -> Any:
    total = float(first) + float(second)
    number = int(total) if total.is_integer() and abs(total) < MAX_INTEGER else total
    return str(number) if isinstance(second, str) else number


def kept_inputs(contract: Contract, resource: JobResource) -> dict[str, int]:
    """The request fields that an answer may repeat or that shape the result, with how long a text of each may be.

    Nothing else of a request is kept. The contract's own limit counts where it has one.
    """
    requested = request_properties(contract, resource)
    shown = {plain(name) for name in _answered_names(contract, resource)}
    shaping = {word for words in contract.vocabulary.ranks["inputs"].values() for word in words}
    declared = {pointer[0] for pointer in resource.echo.values()}
    limits: dict[str, int] = {}
    for part in resource.operations:
        for media in part.operation.body.values():
            for name, sub in shape_of(contract.document, media.get("schema")).properties.items():
                longest = shape_of(contract.document, sub).get("maxLength")
                limits[name] = max(limits.get(name, 0), longest if isinstance(longest, int) else MAX_TEXT)
    names = [n for key, names in requested.items() for n in names if key in shown | shaping or n in declared]
    return {name: limits.get(name, MAX_TEXT) for name in names}


def usual_inputs(
    contract: Contract, resource: JobResource, part: JobOperation, kept: Mapping[str, int]
) -> dict[str, Any]:
    """What a job has where neither its request nor a source says it: defaults, and what an answer must show.

    Defaults of a create are filled in while its request is read, so here they count for follow-ups alone.
    """
    document, vocabulary = contract.document, contract.vocabulary
    required = {
        plain(name) for p in resource.operations if p.view for name in shape_of(document, p.view.schema).required
    }
    usual: dict[str, Any] = {}
    for other in resource.operations:
        for media in other.operation.body.values():
            for name, sub in shape_of(document, media.get("schema")).properties.items():
                shape = shape_of(document, sub)
                value = shape.get("default")
                if value is None and plain(name) in required:
                    value = _plausible(vocabulary, name, shape)
                elif part.action is Action.CREATE:
                    continue
                if name in kept and value is not None:
                    usual.setdefault(name, value)
    return usual


def _plausible(vocabulary: Vocabulary, name: str, shape: Shape) -> Any:
    """A value for a field of which the contract gives no default: its first word, its example, or the film's own."""
    if shape.constants:
        return shape.constants[0]
    if shape.get("example") is not None:
        return shape.get("example")
    if vocabulary.rank("inputs", "length", name) is not None:
        return int(DEFAULT_SECONDS)
    return "x".join(map(str, DEFAULT_SIZE)) if vocabulary.rank("inputs", "size", name) is not None else None


def _answered_names(contract: Contract, resource: JobResource) -> set[str]:
    found: set[str] = set()
    seen: set[str | int] = set()
    level = [part.view.schema for part in resource.operations if part.view]
    for _ in range(ANSWER_LEVELS):
        inner: list[Any] = []
        for schema in level:
            place = reference_of(schema) or id(schema)
            if place not in seen:
                seen.add(place)
                shape = shape_of(contract.document, schema)
                found.update(shape.properties)
                inner += [*shape.properties.values(), *([] if shape.items is None else [shape.items])]
        level = inner
    return found


def keep(body: Any, kept: Mapping[str, int], size: int) -> dict[str, Any]:
    """The fields to keep. Raises Refusal for a text that is longer than this server keeps. `size` is the raw body's."""
    if not isinstance(body, dict):
        return {}
    if 0 < size <= MAX_TEXT:  # whole and small, so nothing in it can be too long or a file
        return {
            name: intern(value) if type(value) is str and len(value) < SHORT else value
            for name, value in body.items()
            if name in kept and value is not None
        }
    inputs = {}
    for name, value in body.items():
        if name not in kept or value is None or isinstance(value, UploadedFile):
            continue
        if isinstance(value, str):
            if len(value) > kept[name]:
                if value.startswith("data:"):
                    continue  # an image sent inline is as little kept as one that was uploaded
                violation = Violation("body", name, "maxLength", f"{len(value)} characters", f"at most {kept[name]}")
                raise Refusal("invalid_request", violation.text, violations=(violation,))
        elif isinstance(value, (dict, list)):
            value = without_files(value)
            if len(orjson.dumps(value)) > MAX_TEXT:
                continue
        inputs[name] = value
    return inputs
