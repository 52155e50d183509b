"""Bodies of requests: the cheapest valid one by a schema, and ones that are wrong in one place each."""

import random
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from mockserver.errors import DocumentError
from mockserver.jobs.vocabulary import Vocabulary
from mockserver.openapi.document import Document
from mockserver.openapi.schema import Shape, Validator, forms_of, is_hidden, shape_of, union_of

SEED = 20260924
PROMPT = "A red ball rolls slowly over a wooden table"
ODD_PROMPT = 'Ünïcödé a\u0308o\u0302 🎬 日本語 «quotes» "and" \\ back\nnew line 👩‍🚀'
ADDRESS = "https://example.com/picture.png"
COUNTS = ("n", "count", "num_outputs", "number_of_videos", "batch_size")  # names of fields that ask for several
MOST_DEPTH = 8
MOST_FIELDS = 20  # of a body that are broken one by one
MOST_NULLS = 6  # fields that are tried with null though the request says nothing of them
LARGE = 2.0**31 - 1  # numbers from here on are the limits of a type, and no bounds of a service
LONGEST_TEXT = 1_000_000  # characters that are made up; who asks for more gets no valid text
LONGEST = 40_000  # characters of a text that is as long as it may be
LONG = 1_500  # characters of a long prompt; a service that cuts texts does it at a round number below
_PNG: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)
_FORMATS: Mapping[str, Any] = {
    "uri": ADDRESS,
    "url": ADDRESS,
    "uuid": "3f2b8a64-5d0e-4c1c-9a7b-2f6f0c1d9e55",
    "date-time": "2026-01-02T03:04:05Z",
    "date": "2026-01-02",
    "time": "03:04:05Z",
    "duration": "PT5S",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "byte": "AAAA",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file in a form."""

    content: bytes = _PNG
    name: str = "picture.png"
    media_type: str = "image/png"


@dataclass(frozen=True, slots=True)
class Variation:
    """A body that is wrong, or odd, in one place. `is_refused`: the schema says that it must be refused."""

    detail: str
    body: Any
    is_refused: bool = True


class Bodies:
    """The bodies of one document's requests."""

    def __init__(self, document: Document, vocabulary: Vocabulary) -> None:
        self._document = document
        self._vocabulary = vocabulary
        self._validators: dict[int, tuple[Any, Validator]] = {}

    # -- valid ones -------------------------------------------------------------------------------------

    def valid(self, schema: Any, examples: Sequence[Any] = ()) -> Any:
        """The cheapest body that is found to be valid; None where there is none.

        A published example is preferred, made cheap; then what the schema asks for, with a prompt; then all of it.
        """
        return next(self.all_valid(schema, examples), None)

    def all_valid(self, schema: Any, examples: Sequence[Any] = ()) -> Iterator[Any]:
        """All valid bodies that are made up here, each once, the cheapest first."""
        found: list[Any] = []
        for candidate in self._candidates(schema, examples):
            if candidate not in found and self.is_valid(schema, candidate):
                found.append(candidate)
                yield candidate

    def is_valid(self, schema: Any, body: Any) -> bool:
        """Whether a body is valid as a request."""
        known = self._validators.get(id(schema))
        try:
            if known is None:
                known = self._validators[id(schema)] = schema, Validator(self._document, schema, "request")
            return known[1].is_valid(_plain(body))
        except (DocumentError, ValueError):
            return False

    def value(self, schema: Any, name: str = "") -> Any:
        """A value of a schema, as for a parameter."""
        return self._value(schema, name, 0)

    def _candidates(self, schema: Any, examples: Sequence[Any]) -> Iterator[Any]:
        whole = shape_of(self._document, schema)
        shown = whole.get("examples")
        for example in [*examples, whole.get("example"), *(shown if isinstance(shown, list) else ())]:
            if isinstance(example, dict) and example:
                # Where an address leads to is nobody's here, and a service would fetch it.
                own = {k: v for k, v in example.items() if k in whole.required or not _leads_away(v)}
                yield self._cheapened(schema, deepcopy(own))
                yield own
                yield example
        for form in forms_of(self._document, schema):
            if form.is_object or not form.types:
                least = self._object(form, 0, with_prompt=False)
                told = self._object(form, 0, with_prompt=True)
                whole_body = self._object(form, 0, with_prompt=True, with_all=True)
                plain = {k: v for k, v in whole_body.items() if k in told or (_is_plain(v) and not _leads_away(v))}
                yield self._cheapened(schema, told)
                yield self._cheapened(schema, plain)
                yield told
                yield least
                yield whole_body
            else:
                yield self._of_shape(form, "", 0)

    def _cheapened(self, schema: Any, body: dict[str, Any]) -> dict[str, Any]:
        """The body with the least length, size and number of results that keep it valid."""
        for form in forms_of(self._document, schema):
            for name, node in form.properties.items():
                for value in self._cheap(name, node):
                    tried = {**body, name: value}
                    if tried != body and self.is_valid(schema, tried):
                        body = tried
                        break
            if self.is_valid(schema, body):
                break
        return body

    def _cheap(self, name: str, node: Any) -> Iterator[Any]:
        is_length = self._vocabulary.rank("inputs", "length", name) is not None
        is_size = self._vocabulary.rank("inputs", "size", name) is not None
        is_count = name in COUNTS
        if not (is_length or is_size or is_count):
            return
        shape = shape_of(self._document, node)
        for each in (shape, *shape.branches):
            known = [value for value in each.constants or () if _amount(value) is not None]
            if known:
                yield min(known, key=lambda value: _amount(value) or 0.0)
            elif (least := each.number("minimum")) is not None and least > 0:
                yield int(least) if "integer" in each.types else least
            elif is_count and "integer" in each.types:
                yield 1

    # -- values of schemas ------------------------------------------------------------------------------

    def _value(self, schema: Any, name: str, depth: int) -> Any:
        try:
            shape = shape_of(self._document, schema)
        except DocumentError:
            return "text"
        return self._of_shape(shape, name, depth)

    def _of_shape(self, shape: Shape, name: str, depth: int) -> Any:
        if known := shape.constants:
            return known[0]
        shown = shape.get("examples")
        for example in (shape.get("example"), *(shown if isinstance(shown, list) else ()), shape.get("default")):
            if example is not None and not isinstance(example, dict):
                return example
        if shape.is_object:
            return self._object(shape, depth, with_prompt=False) if depth < MOST_DEPTH else {}
        if shape.is_array:
            least = int(shape.number("minItems") or (1 if depth < 3 else 0))
            return [self._value(shape.items or {}, name, depth + 1) for _ in range(min(least, 10))]
        if "integer" in shape.types or "number" in shape.types:
            return self._number(shape)
        if "boolean" in shape.types:
            return False
        return self._text(shape, name)

    def _object(self, shape: Shape, depth: int, *, with_prompt: bool, with_all: bool = False) -> dict[str, Any]:
        body: dict[str, Any] = {}
        for name, node in shape.properties.items():
            is_prompt = with_prompt and self._vocabulary.rank("inputs", "prompt", name) is not None
            is_wanted = name in shape.required or with_all or is_prompt
            if is_wanted and not is_hidden(self._document, node, in_request=True):
                body[name] = self._value(node, name, depth + 1)
        for name in sorted(shape.required - body.keys()):
            if name not in shape.properties:
                body[name] = "text"
        return body

    def _number(self, shape: Shape) -> float:
        least, most = shape.number("minimum"), shape.number("maximum")
        step = shape.number("multipleOf") or (1 if "integer" in shape.types else 0)
        over, under = shape.number("exclusiveMinimum"), shape.number("exclusiveMaximum")
        value = least if least is not None else 1 if most is None or most >= 1 else most
        if over is not None and value <= over:
            value = over + (step or 1)
        if under is not None and value >= under:
            value = under - (step or 1)
        if step and value % step:
            value += step - value % step
        return int(value) if "integer" in shape.types else value

    def _text(self, shape: Shape, name: str) -> Any:
        form = str(shape.get("format") or "")
        if form == "binary":
            return File()
        if form in _FORMATS:
            return _FORMATS[form]
        if isinstance(pattern := shape.get("pattern"), str):
            import rstr

            try:
                return str(rstr.Rstr(random.Random(SEED)).xeger(pattern))
            except Exception:  # a pattern that no engine here reads: a plain text is as good
                pass
        text = "text"
        if self._vocabulary.rank("inputs", "prompt", name) is not None:
            text = PROMPT
        elif name.lower().endswith(("url", "uri")):
            text = ADDRESS
        least, most = int(shape.number("minLength") or 0), shape.number("maxLength")
        text = text + "x" * (min(least, LONGEST_TEXT) - len(text)) if least > len(text) else text
        return text[: int(most)] if most is not None else text

    # -- wrong ones -------------------------------------------------------------------------------------

    def broken(self, schema: Any, body: Any, is_form: bool) -> list[Variation]:
        """The body broken in one place each, as the schema has it. A form's values are texts, so less breaks it."""
        if not isinstance(body, dict):
            return []
        shape = next((f for f in forms_of(self._document, schema) if f.required <= body.keys()), None)
        shape = shape or shape_of(self._document, schema)
        found: list[Variation] = []
        names = sorted(shape.properties, key=lambda name: (name not in shape.required, name not in body))
        rows: list[list[Variation]] = []  # by field; the first ways to break each come before the second ones
        for name in names[:MOST_FIELDS]:
            row = [Variation(f"{name}: {what}", {**body, name: value})
                   for what, value in self._wrong_values(shape.properties[name], is_form)]  # fmt: skip
            if name in shape.required:
                row.insert(0, Variation(f"{name}: missing", {k: v for k, v in body.items() if k != name}))
            rows.append([each for each in row if not self.is_valid(schema, each.body)])
        found += [each for column in zip_longest(*rows) for each in column if each is not None]
        return found

    def _wrong_values(self, node: Any, is_form: bool) -> Iterator[tuple[str, Any]]:
        shape = shape_of(self._document, node)
        texts = "string" in shape.types or any("string" in branch.types for branch in shape.branches)
        if shape.constants:
            yield "a word that is not in its enum", "no-such-value"
        if "integer" in shape.types or "number" in shape.types:
            if not texts:
                yield "a word for a number", "many"
                if not is_form:
                    yield "a number in quotes", str(self._number(shape))
            if shape.types == ("integer",):
                yield "a fraction for a whole number", self._number(shape) + 0.5
            if (least := shape.number("minimum")) is not None:
                yield "below its minimum", int(least) - 1
            if (most := shape.number("maximum")) is not None:
                yield "above its maximum", int(most) + 1
            if step := shape.number("multipleOf"):
                yield "between its steps", self._number(shape) + (1 if step > 1 else step / 2)
        if "string" in shape.types and shape.get("format") != "binary":
            if shape.number("minLength"):
                yield "shorter than its minLength", ""
            most = shape.number("maxLength")
            if most is not None and most <= 1_000_000:
                yield "longer than its maxLength", "x" * (int(most) + 1)
            if not is_form:
                yield "a number for a text", 12345
        if not is_form and (shape.is_object or shape.is_array):
            yield "a number", 12345
        if not is_form and not shape.is_object:
            yield "an object", {"unexpected": True}
        if not is_form and not shape.is_array:
            yield "a list", ["unexpected"]

    def odd(self, schema: Any, body: Any, is_form: bool) -> list[Variation]:
        """The body made odd, those first that must be refused."""
        if not isinstance(body, dict):
            return []
        found: list[Variation] = []
        texts = [name for name, value in body.items() if isinstance(value, str)]
        prompt = next((n for n in texts if self._vocabulary.rank("inputs", "prompt", n) is not None), None)
        if not is_form:
            nested: Any = "deep"
            for _ in range(200):
                nested = [nested]
            found += [Variation("a list for the body", [body]), Variation("null for the body", None)]
            known = shape_of(self._document, schema).properties
            nulls = [*list(body)[:3], *[name for name in known if name not in body][:MOST_NULLS]]
            found += [Variation(f"null: {name}", {**body, name: None}) for name in nulls]
            if prompt:
                found.append(Variation(f"deeply nested: {prompt}", {**body, prompt: nested}))
        if prompt:
            found += [
                Variation(f"100,000 characters: {prompt}", {**body, prompt: "long " * 20_000}),
                Variation(f"control characters: {prompt}", {**body, prompt: "a\x00b\x1bc\u202ed"}),
                Variation(f"only spaces: {prompt}", {**body, prompt: "   "}),
                Variation(f"markup: {prompt}", {**body, prompt: "<script>alert(1)</script>' OR 1=1 -- {{7*7}}"}),
            ]
        found.append(Variation("an unknown field", {**body, "x_unknown_field": "text"}))
        judged = [Variation(v.detail, v.body, not self.is_valid(schema, v.body)) for v in found]
        return sorted(judged, key=lambda each: not each.is_refused)

    def bare(self, schema: Any, body: Any) -> Any:
        """A body with what is required and a prompt, if that is valid; else the body as it is."""
        for form in forms_of(self._document, schema) if isinstance(body, dict) else ():
            wanted = {n for n in body if n in form.required or self._vocabulary.rank("inputs", "prompt", n) is not None}
            least = {name: value for name, value in body.items() if name in wanted}
            if form.required <= wanted and self.is_valid(schema, least):
                return least
        return body

    def varied(self, schema: Any, body: Any) -> dict[str, Any] | None:
        """A body with other values than the cheapest: further inputs, other words, a long prompt. None: no other."""
        if not isinstance(body, dict):
            return None
        shape = union_of(self._document, schema)
        varied = dict(body)
        for number, (name, node) in enumerate(shape.properties.items(), 1):
            if is_hidden(self._document, node, in_request=True) or self._is_dear(name):
                continue
            for value in self._others(node, name, body.get(name), number):
                if self.is_valid(schema, {**varied, name: value}):
                    varied[name] = value
                    break
        return varied if varied != body else None

    def _others(self, node: Any, name: str, usual: Any, number: int) -> Iterator[Any]:
        """Other values of the n-th field than the usual one; of those that cost by their amount the next dearer.

        No two fields get the same number, so that one that stands in the place of another shows.
        """
        shape = union_of(self._document, node)
        told = [value for each in (shape, *shape.branches) for value in each.constants or ()]
        if told:
            by_amount = sorted((v for v in told if _amount(v) is not None), key=lambda value: _amount(value) or 0.0)
            is_dear = any(self._vocabulary.rank("inputs", role, name) is not None for role in ("length", "size"))
            others = by_amount if is_dear and by_amount else told
            yield from (value for value in others if value not in (usual, shape.get("default")))
        elif self._vocabulary.rank("inputs", "prompt", name) is not None and isinstance(usual, str):
            most = shape.number("maxLength")
            yield (f"{usual}. " * LONG)[: min(LONG, int(most) if most is not None else LONG)].rstrip()
        elif {"integer", "number"} & set(shape.types) and "string" not in shape.types:
            value, step = self._number(shape), shape.number("multipleOf") or 1
            yield from (value + number * step, value + step)
        elif shape.types == ("string",) and not shape.get("format") and not shape.get("pattern") and usual is None:
            value = self._text(shape, name)
            yield from () if _leads_away(value) or not shape.get("maxLength") else (value,)

    def _names_another(self, name: str) -> bool:
        """Whether a field names something that has to be there, so that what a schema allows may be unknown."""
        return self._vocabulary.ends_like("id", name) or self._vocabulary.ends_like("link", name)

    def _is_dear(self, name: str) -> bool:
        """Whether another value of a field may cost many times as much: a model, or several results."""
        return name in COUNTS or self._vocabulary.rank("inputs", "model", name) is not None

    def at_bounds(self, schema: Any, body: Any, is_form: bool) -> list[Variation]:
        """The body with one value each at a bound of its field, or the last word of its enum; all of them valid."""
        if not isinstance(body, dict):
            return []
        found: list[Variation] = []
        for name, node in union_of(self._document, schema).properties.items():
            if is_hidden(self._document, node, in_request=True) or self._is_dear(name) or self._names_another(name):
                continue
            shape = union_of(self._document, node)
            bounds: list[tuple[str, Any]] = []
            if {"integer", "number"} & set(shape.types):
                named = (("its minimum", shape.number("minimum")), ("its maximum", shape.number("maximum")))
                bounds += [(what, int(value) if value == int(value) else value) for what, value in named
                           if value is not None and abs(value) < LARGE]  # fmt: skip
            is_prompt = self._vocabulary.rank("inputs", "prompt", name) is not None
            if (
                is_prompt
                and "string" in shape.types
                and not shape.constants
                and (most := shape.number("maxLength")) is not None
            ):
                bounds += [("as long as its maxLength", "w" * int(most))] if 0 < most <= LONGEST else []
            if shape.constants and len(shape.constants) > 1:
                bounds.append(("the last word of its enum", shape.constants[-1]))
            found += [Variation(f"{name}: {what}", {**body, name: value}, is_refused=False) for what, value in bounds]
        return [each for each in found if each.body != body and self.is_valid(schema, each.body)]

    def reworded(self, schema: Any, body: Any) -> Any:
        """The body with another prompt, if that is valid; else as it is."""
        for name in body if isinstance(body, dict) else ():
            if self._vocabulary.rank("inputs", "prompt", name) is not None and isinstance(body[name], str):
                tried = {**body, name: f"{body[name]}, at night"}
                return tried if self.is_valid(schema, tried) else body
        return body

    def unusual(self, schema: Any, body: Any) -> Any:
        """The body with a prompt of unusual characters, if that is valid; else as it is."""
        if isinstance(body, dict):
            for name, value in body.items():
                if isinstance(value, str) and self._vocabulary.rank("inputs", "prompt", name) is not None:
                    tried = {**body, name: ODD_PROMPT}
                    return tried if self.is_valid(schema, tried) else body
        return body


def _plain(value: Any) -> Any:
    """A body as the validator sees it: of a file it knows no more than that it is text."""
    if isinstance(value, File):
        return "file"
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float))


def _leads_away(value: Any) -> bool:
    if isinstance(value, str):
        return "://" in value
    if isinstance(value, dict):
        return any(map(_leads_away, value.values()))
    return isinstance(value, list) and any(map(_leads_away, value))


def _amount(value: Any) -> float | None:
    """How much of a thing a value is: seconds, or the area of `1280x720`; None for what is no amount."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    text = str(value).lower().replace("×", "x").replace("*", "x")
    first, by, second = text.partition("x")
    if by and first.strip().isdigit() and second.strip().isdigit():
        return float(first) * float(second)
    digits = text.rstrip("psk")
    return float(digits) if digits.replace(".", "", 1).isdigit() else None
