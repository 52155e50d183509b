"""What the ids of a kind of job look like, and how answers write them."""

import re
from typing import Any

from mockserver.jobs.answers import Answers
from mockserver.jobs.identity import fits, format_of
from mockserver.jobs.kinds import Kind
from mockserver.jobs.paths import path_parameters
from mockserver.jobs.resource import SURE, Action, Conclusion, IdPlace, JobOperation, Pointer, dig
from mockserver.jobs.vocabulary import plain
from mockserver.openapi.document import Document
from mockserver.openapi.schema import shape_of

_RESOURCE_NAME = re.compile(r"[`'\"]?([a-z][\w{}\-]*(?:/[\w{}\-]+)+)[`'\"]?")


def id_format(answers: Answers, name: str, parts: list[JobOperation]) -> tuple[str, Conclusion]:
    """What ids look like: by format or type, then by examples and patterns, and within the limits of length."""
    shapes, examples = [], []
    telling = [p for n, p in enumerate(parts) if not n or p.action in (Action.CREATE, Action.RETRIEVE)]
    for part in telling:  # what else takes an id may take another one besides
        for parameter in part.operation.parameters:
            if part.id_place == IdPlace(parameter.place, (parameter.name,)):
                shapes.append(shape_of(answers.document, parameter.schema))
                examples += scalars([parameter.raw.get("example")])
        if part.view and "id" in part.view.fields:
            shapes.append(shape_of(answers.document, answers.node_at(part.view.schema, part.view.fields["id"][0])))
        examples += _example_ids(answers.document, part)
    for shape in shapes:
        several = shape.get("examples")
        examples += scalars([shape.get("example"), *(several if isinstance(several, list) else ())])
    examples = [e.rstrip("/").rsplit("/", 1)[-1] for e in examples if "{" not in e and e.isascii()]
    patterns = [p for shape in shapes if isinstance(p := shape.get("pattern"), str) and "/" not in p]
    least = max((int(shape.number("minLength") or 0) for shape in shapes), default=0)
    most = min((int(n) for shape in shapes if (n := shape.number("maxLength"))), default=60)
    ways: list[tuple[str, str, float]] = []
    if any(shape.get("format") == "uuid" for shape in shapes):
        ways.append(("{uuid}", "its format", 1.0))
    if any(shape.types and "string" not in shape.types and "integer" in shape.types for shape in shapes):
        ways.append(("{digits:9}", "its type", 1.0))
    if seen := max(examples, key=len, default=""):
        ways.append((format_of(sorted(set(examples)), name), f"the example {seen!r}", 0.9))
    ways += [(f"/{pattern}/", "its pattern", 0.9) for pattern in patterns]
    ways.append((format_of([], name), "no example; a default", 0.4))
    length = max(least, min(most, 24))
    ways += [(f"{{{kind}:{length}}}", "its length", 0.6) for kind in ("alnum", "hex", "digits")]
    made, why, sureness = next(
        (w for w in ways if fits(w[0], patterns, least, most)), (format_of([], name), "nothing better fits", 0.2)
    )
    others = () if sureness >= SURE or not fits("{uuid}", patterns, least, most) else (("{uuid}", 0.3),)
    line = f"x-job.resources.{name}.id-format: {others[0][0] if others else made}"
    return made, Conclusion(f"{name}: id", made, why, sureness, others, line)


def id_text(answers: Answers, jobs: Kind, parts: list[JobOperation]) -> str:
    """How answers write an id: as a whole resource name (`operations/{id}`) where the document shows that."""
    texts: list[str] = []
    for parameter in jobs.retrieve.parameters:
        if jobs.place == IdPlace("path", (parameter.name,)):
            texts += scalars([parameter.schema.get("pattern"), parameter.raw.get("example")])
    for part in parts:
        if part.view is None or "id" not in part.view.fields:
            continue
        shape = shape_of(answers.document, answers.node_at(part.view.schema, part.view.fields["id"][0]))
        texts += scalars([shape.get("pattern"), shape.get("example"), *_example_ids(answers.document, part)])
        name = part.view.fields["id"][0][-1]
        if answers.vocabulary.rank("roles", "id", name) is not None and plain(name).endswith("name"):
            texts += _RESOURCE_NAME.findall(str(shape.get("description") or ""))
            if "done" in part.view.fields or part.view.evidence.startswith("a flag"):
                texts.append(_resource_path(jobs.path))
    own = [step for step in jobs.path.split("/") if step != "{}"]
    wide = any(p.segments for p in jobs.retrieve.parameters if p.place == "path")
    for text in texts:
        steps = [step for step in text.strip("^$").replace("\\/", "/").split("/") if step]
        if len(steps) < 2 or "://" in text:
            continue
        names = [f"{{{name}}}" for name in _parents(jobs)]
        kept = _steps(steps[:-1], names)
        if wide or not own or not kept or kept[-1] in own:
            return "/".join([*kept, "{id}"])
    return "{id}"


def _parents(jobs: Kind) -> tuple[str, ...]:
    """The path parameters before the id where the job is read, else those of the path where it is created."""
    before = path_parameters(jobs.retrieve.path)[:-1]
    return before or next((path_parameters(o.path) for o, *_ in jobs.creates), ())


def _resource_path(path: str) -> str:
    """A path as a resource name: without a version in front (`/v1/operations/{}` → `operations/{}`)."""
    return "/".join(step for step in path.split("/") if step and not re.fullmatch(r"v\d+\w*", step))


def _steps(steps: list[str], names: list[str]) -> list[str]:
    """The steps of a resource name, where what is no plain word is one of these parameters, or left out."""
    left = list(names)
    out = []
    for step in steps:
        if re.fullmatch(r"[\w\-]+", step):
            out.append(step)
        elif left:
            out.append(left.pop(0))
    return out


def scalars(values: list[Any]) -> list[str]:
    return [str(v) for v in values if v and isinstance(v, (str, int)) and not isinstance(v, bool)]


def _example_ids(document: Document, part: JobOperation) -> list[str]:
    media = part.answer.json_media() if part.answer else None
    if not media or not part.view or "id" not in part.view.fields:
        return []
    whole = dig(shape_of(document, part.view.schema).get("example"), part.view.fields["id"][0])
    pointer: Pointer = (*part.view.pointer, *part.view.fields["id"][0])
    shown = [dig(example, pointer) for example in document.examples(media[1])]
    return [str(value) for value in (whole, *shown) if value and isinstance(value, (str, int))]
