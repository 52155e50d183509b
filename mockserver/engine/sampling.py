"""A sensible value for a schema of which nothing else is known: valid against it, and the same for the same seed.

A value is made in attempts: one is drawn, the validator names the places where it is wrong, and the next attempt
does something else there (the next example, another branch, another draw, at last nothing) until none is left.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from fractions import Fraction
from math import ceil, floor
from random import Random
from typing import Any

from mockserver.engine.narrowing import Wanted, choose, wanted
from mockserver.engine.wording import MAX_LENGTH, Wording, fitted, text_of_pattern
from mockserver.errors import DocumentError
from mockserver.jobs.vocabulary import Vocabulary
from mockserver.openapi.document import Document, Node
from mockserver.openapi.schema import Validator, list_in, map_in, reference_of

MAX_LEVELS = 12  # below this a recursive schema is cut off at what it requires
MAX_OPTIONAL_LEVELS = 5  # below this only what is required is given
MAX_VALUES = 1000  # in one sample; a few schemas can ask for billions
MAX_OPTIONAL = 400  # from so many values on, only what is required is given
MAX_ITEMS = 100
MAX_ATTEMPTS = 24
HOPELESS = 2000  # errors of one attempt: schemas that hold each other, not a value that can be mended
MAX_ERRORS = 200  # that one attempt learns from
MAX_DRAWS = 30  # of a text for a pattern
MAX_INTEGER = 2**63  # what JSON can hold of integers here (orjson)
OPTIONAL_TRIES = 5  # an optional field that was wrong so often is left out

Path = tuple[str | int, ...]
_NOTHING: Any = object()
_SAYS = {
    "object": ("properties", "additionalProperties", "required", "patternProperties", "minProperties"),
    "array": ("items", "prefixItems", "minItems", "uniqueItems", "contains"),
    "string": ("pattern", "format", "minLength", "maxLength", "x-faker"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}


def sample(document: Document, schema: Any) -> Any:
    """A value for a schema, as little as is valid: optional properties only where they have an example or a default.

    Where nothing is found to be valid, the nearest try.
    """
    sampler = Sampler(document, schema, lean=True)
    try:
        return sampler.draw()
    except DocumentError:
        return sampler.last


class Sampler:
    """Draws values of one schema.

    `seed` decides what is drawn; `hints` are examples that stand outside the schema; `lean` gives what is required
    alone; `error` is the status of the answer if that is an error; `direction` is `request` or `response`; without a
    vocabulary, names mean nothing.
    """

    def __init__(
        self,
        document: Document,
        schema: Any,
        *,
        vocabulary: Vocabulary | None = None,
        seed: str = "",
        hints: Iterable[Any] = (),
        lean: bool = False,
        name: str = "",
        error: int = 0,
        direction: str = "response",
    ) -> None:
        self.document = document
        self.schema = schema
        self.wording = Wording(vocabulary, error)
        self.seed = seed
        self.hints = tuple(hints)
        self.lean = lean
        self.name = name
        self.direction = direction
        self.last: Any = None
        self._validator: Validator | None = None
        self._wanted: dict[str, Wanted] = {}
        self._patterns: dict[str, Validator] = {}

    @property
    def validator(self) -> Validator:
        """What decides whether a value is valid. Built on first use."""
        if self._validator is None:
            self._validator = Validator(self.document, self.schema, self.direction)
        return self._validator

    def draw(self, turn: str = "") -> Any:
        """A valid value: examples first, or with a `turn`, which is drawn at random, another one for each.

        Raises DocumentError for a schema that nothing is found for, with the place.
        """
        ways = [(bool(turn), self.lean), (bool(turn), True)]
        if turn:
            ways.append((False, self.lean))
        errors: list[Any] = []
        for random, lean in dict.fromkeys(ways):
            attempt = _Attempt(self, f"{self.seed}/{turn}" if random else self.seed, random, lean)
            for _ in range(MAX_ATTEMPTS):
                self.last = value = attempt.value(self.schema, (), self.name, _NOTHING, 0, 0)
                if self.validator.is_valid(value):
                    return value
                found = list(self.validator.iter_errors(value))  # all are made anyway
                errors = found[:MAX_ERRORS]
                if len(found) > HOPELESS:
                    raise self._nothing(errors)
                if attempt.room > MAX_VALUES:  # cut off; the next would be too
                    break
                attempt.learn(errors)
        raise self._nothing(errors)

    def _nothing(self, errors: list[Any]) -> DocumentError:
        """That no value is found, with the first place that is wrong."""
        where = "".join(f"/{token}" for token in errors[0].instance_path) if errors else ""
        why = f"{where or 'the whole'}: {str(errors[0]).partition(chr(10))[0][:200]}"
        return DocumentError(f"{self.document.origin}: no value is found that its schema allows ({why}).")

    def wanted(self, schema: Any) -> Wanted:
        """What a schema asks for, worked out once for each reference."""
        ref = reference_of(schema)
        if not ref or len(schema) > 1:
            return wanted(self.document, schema)
        if ref not in self._wanted:
            self._wanted[ref] = wanted(self.document, schema)
        return self._wanted[ref]

    def matches(self, pattern: str, text: str) -> bool:
        """Whether a text has a pattern, by the validator's own reading of it."""
        if pattern not in self._patterns:
            self._patterns[pattern] = Validator(self.document, {"type": "string", "pattern": pattern}, "response")
        return self._patterns[pattern].is_valid(text)


class _Attempt:
    """The making of one value, tried again with what was learned from the errors of the last time."""

    def __init__(self, sampler: Sampler, seed: str, random: bool, lean: bool) -> None:
        self.sampler = sampler
        self.seed = seed
        self.random = random
        self.lean = lean
        self.tries: Counter[Path] = Counter()
        self.inside: set[Path] = set()  # places that hold a place which was wrong
        self.room = 0
        self.above: list[str] = []

    def learn(self, errors: list[Any]) -> None:
        """Do something else the next time at each place that was wrong."""
        for path in {tuple(path) for error in errors for path in _places(error)}:
            self.tries[path] += 1
            self.inside.update(path[:length] for length in range(len(path)))
        self.room = 0

    # -- one value ----------------------------------------------------------------------------------

    def value(self, schema: Any, path: Path, name: str, hint: Any, level: int, shift: int) -> Any:
        """A value at a place. `hint` is what an example outside has there; `shift` counts the items of a list."""
        self.room += 1
        found = self.sampler.wanted(schema)
        tries = self.tries[path]
        known = self._known(found, hint, path)
        if tries < len(known) and (path not in self.inside or not isinstance(known[tries], (dict, list))):
            return known[tries]
        variant = max(tries - len(known), 0)
        foreign: dict[str, Any] = {}
        hints = known[0] if known and variant < 2 else _NOTHING
        if found.choices:
            found = Wanted(found.node, [self._by_depth(options) for options in found.choices], found.references)
            found = choose(self.sampler.document, found, self._number(path, "choice") if self.random else variant)
            inner = self._known(found, _NOTHING, path)
            if not known and variant < 1 and inner and path not in self.inside:
                return inner[0]
            hints = inner[0] if hints is _NOTHING and inner and variant < 2 else hints
            if variant >= 6:
                foreign = self._foreign(schema)
        if self.lean and level and _allows_null(found.node) and not known and not tries:
            return None
        self.above.extend(found.references)
        try:
            made = self._made(found.node, path, name, hints, level, shift, variant)
            return {**foreign, **made} if isinstance(made, dict) else made
        finally:
            del self.above[len(self.above) - len(found.references) :]

    def _known(self, found: Wanted, hint: Any, path: Path) -> list[Any]:
        """The values that the document itself gives: from outside, then the schema's example, default and examples."""
        if self.random:
            return []
        node = found.node
        out = [] if hint is _NOTHING else [hint]
        if not path:
            out.extend(self.sampler.hints)
        if "example" in node:
            out.append(node["example"])
        examples = node.get("examples")
        if isinstance(examples, list):
            out.extend(examples[:3])
        if "default" in node and (self.lean or node["default"] not in (None, "", [], {})):
            out.append(node["default"])
        return [_plain(value) for value in out]

    def _foreign(self, schema: Any) -> dict[str, Any]:
        """What makes an object wrong for each branch of a choice but the one that is taken.

        Branches that all allow the same object (nothing required, nothing closed) can be told apart in no other way.
        """
        out: dict[str, Any] = {}
        for option in (option for options in self.sampler.wanted(schema).choices for option in options):
            for name, sub in list(map_in(self.sampler.wanted(option).node, "properties").items())[:3]:
                validator = Validator(self.sampler.document, sub, "response")
                wrong: Any
                for wrong in (None, "", 0, {}):
                    if not validator.is_valid(wrong):
                        out.setdefault(name, wrong)
                        break
        return out

    def _by_depth(self, options: list[Any]) -> list[Any]:
        """The options of a choice, those that lead back to what is being made last."""
        return sorted(options, key=lambda option: reference_of(option) in self.above)

    def _random(self, path: Path) -> Random:
        return Random(f"{self.seed}/{'/'.join(map(str, path))}/{self.tries[path]}")

    def _number(self, path: Path, what: str) -> int:
        return Random(f"{self.seed}/{what}/{path}/{self.tries[path]}").randrange(1000)

    def _made(self, node: Node, path: Path, name: str, hint: Any, level: int, shift: int, variant: int) -> Any:
        random = self._random(path)
        if "const" in node:
            return node["const"]
        if isinstance(values := node.get("enum"), list) and values:
            values = [value for value in values if value is not None] or [None]
            turn = random.randrange(len(values)) if self.random else 0
            return values[(turn + shift + variant) % len(values)]
        kind = self._kind(node, name, variant)
        if kind == "string" and not variant and self.sampler.wording.ends_list(name, "next"):
            return None if _allows_null(node) else ""
        if kind == "object":
            return self._object(node, path, hint, level, shift, variant)
        if kind == "array":
            return self._array(node, path, name, hint, level, variant)
        if kind in ("integer", "number"):
            return self._counted(node, kind, name, random, shift, variant)
        if kind == "boolean":
            if not variant and self.sampler.wording.ends_list(name, "has more"):
                return False
            return random.random() < 0.5 if self.random else bool(variant % 2) ^ bool(shift % 2) ^ (not self.lean)
        if kind == "null":
            return None
        if self.lean and not node:
            return {} if level == 0 else "string"
        return self._text(node, name, random, shift, variant)

    @staticmethod
    def _kind(node: Node, name: str, variant: int) -> str:
        """The JSON type to give; where none is said, the one that the other keywords speak of."""
        declared = node.get("type")
        types = declared if isinstance(declared, list) else [declared] if declared is not None else []
        types = [t for t in types if t != "null"] or types
        if not types:
            types = [kind for kind, keys in _SAYS.items() if any(key in node for key in keys)]
        if not types:
            types = ["string"] if name else ["object"]
            if variant:
                types = ["string", "integer", "object", "boolean", "array", "null"]
        return str(types[variant % len(types)])

    # -- objects and arrays -------------------------------------------------------------------------

    def _object(self, node: Node, path: Path, hint: Any, level: int, shift: int, variant: int) -> Any:
        properties = map_in(node, "properties")
        required = [name for name in list_in(node, "required") if isinstance(name, str)]
        hints = hint if isinstance(hint, dict) else {}
        if self._is_cut(level):
            return {}
        spare = variant >= 3 and variant % 2 == 1  # then nothing optional
        out: dict[str, Any] = {}
        for name, sub in properties.items():
            need = name in required
            if sub is False or (not need and (spare or self._passes(name, sub, hints, (*path, name), level))):
                continue
            out[name] = self.value(sub, (*path, name), name, hints.get(name, _NOTHING), level + 1, shift)
        for name in self._also_required(node, required, out):
            if name not in out:
                sub = self._other(node, name)
                out[name] = self.value(sub, (*path, name), name, hints.get(name, _NOTHING), level + 1, shift)
        if node.get("additionalProperties") is not False:
            more = ((name, value) for name, value in hints.items() if name not in properties)
            out.update((name, value) for name, value in more if not self.tries[(*path, name)])
        self._fill(node, path, out, level, bool(properties) or spare)
        most = node.get("maxProperties")
        if isinstance(most, int) and len(out) > most:
            for name in [name for name in reversed(out) if name not in required][: len(out) - most]:
                del out[name]
        return out

    def _is_cut(self, level: int) -> bool:
        return level >= MAX_LEVELS or self.room > MAX_VALUES

    def _passes(self, name: str, sub: Any, hints: Mapping[str, Any], path: Path, level: int) -> bool:
        """Whether an optional property is left out."""
        found = self.sampler.wanted(sub)
        node = found.node
        if self.tries[path] >= OPTIONAL_TRIES or node.get("writeOnly") is True or self.room > MAX_OPTIONAL:
            return True
        if self.lean:
            return name not in hints and "example" not in node and "default" not in node
        if name in hints:
            return False
        if self.sampler.wording.ends_list(name, "next") and not self._known(found, _NOTHING, path):
            return not _allows_null(node)
        if node.get("deprecated") is True or node.get("not") == {} or level >= MAX_OPTIONAL_LEVELS:
            return True
        inner = [ref for option in found.choices[:1] for each in option[:1] if (ref := reference_of(each))]
        return any(ref in self.above for ref in (*found.references, *inner))

    @staticmethod
    def _also_required(node: Node, required: list[str], given: Mapping[str, Any]) -> Iterator[str]:
        yield from required
        depending = node.get("dependentRequired")
        for name, others in depending.items() if isinstance(depending, dict) else ():
            if name in given and isinstance(others, list):
                yield from (other for other in others if isinstance(other, str))

    def _other(self, node: Node, name: str) -> Any:
        """The schema of a property that is not listed."""
        patterns = node.get("patternProperties")
        for pattern, sub in patterns.items() if isinstance(patterns, dict) else ():
            if self.sampler.matches(pattern, name):
                return sub
        more = node.get("additionalProperties", node.get("unevaluatedProperties"))
        return more if isinstance(more, dict) else {}

    def _fill(self, node: Node, path: Path, out: dict[str, Any], level: int, listed: bool) -> None:
        """Further properties: as many as must be, and one to show what a map holds."""
        least = node.get("minProperties")
        count = min(least, MAX_ITEMS) if isinstance(least, int) and not isinstance(least, bool) else 0
        more, patterns = node.get("additionalProperties"), node.get("patternProperties")
        shows = isinstance(more, dict) and more and not (set(self.sampler.wanted(more).references) & {*self.above})
        if not listed and not self.lean and not out and level < MAX_OPTIONAL_LEVELS and (shows or patterns):
            count = max(count, 1)
        names = self.sampler.wording.values("key")
        for number in range(3 * count + 3):
            if len(out) >= count:
                return
            name = str(names[number]) if number < len(names) else f"key{number + 1}"
            if isinstance(patterns, dict) and patterns and not isinstance(more, dict):
                name = self._match(next(iter(patterns)), self._random((*path, name)), name)
            elif node.get("propertyNames") is not None:
                wish = {"allOf": [node["propertyNames"], {"type": "string"}]}
                name = str(self.value(wish, (*path, f"name {number}"), "", _NOTHING, level + 1, number))
            if name not in out and self.tries[(*path, name)] < OPTIONAL_TRIES:
                sub = self._other(node, name)
                out[name] = self.value(sub, (*path, name), name, _NOTHING, level + 1, number)

    def _array(self, node: Node, path: Path, name: str, hint: Any, level: int, variant: int) -> list[Any]:
        if self._is_cut(level):
            return []
        hints = hint if isinstance(hint, list) else []
        items = node.get("items", {})
        first = list_in(node, "prefixItems")
        least, most = _whole(node, "minItems", 0), _whole(node, "maxItems", MAX_ITEMS)
        returns = bool(set(self.sampler.wanted(items).references) & {*self.above}) if isinstance(items, dict) else False
        count = 0 if self.lean or returns or level >= MAX_OPTIONAL_LEVELS + 1 or variant >= 4 else max(1, len(first))
        if self.random and count:
            count = self._random(path).randint(count, max(count, min(most, max(least, count) + 2)))
        contains = node.get("contains")
        if isinstance(contains, dict):
            count = max(count, _whole(node, "minContains", 1))
        count = min(max(count, least, len(hints)), most, MAX_ITEMS)
        if items is False:
            count = min(count, len(first))
        out: list[Any] = []
        shift = 0
        while len(out) < count and shift < 3 * count + 5:
            place = len(out)
            sub = first[place] if place < len(first) else items
            if isinstance(contains, dict) and place >= len(first) and place < _whole(node, "minContains", 1):
                sub = {"allOf": [sub, contains]}
            given = hints[place] if place < len(hints) else _NOTHING
            item = self.value(sub, (*path, place), _single(name), given, level + 1, shift)
            shift += 1
            if node.get("uniqueItems") is True and item in out and shift < 3 * count + 5:
                continue
            out.append(item)
        return out

    # -- numbers and texts --------------------------------------------------------------------------

    def _counted(self, node: Node, kind: str, name: str, random: Random, shift: int, variant: int) -> int | float:
        low, high, is_open_low, is_open_high = _bounds(node)
        step = _fraction(node.get("multipleOf"))
        if step is None or step <= 0:
            step = Fraction(1) if kind == "integer" else None
        elif kind == "integer" and step.denominator != 1:
            step = Fraction(step.numerator)
        wish = None if self.lean or variant else self.sampler.wording.number(name, random, shift)
        if wish is not None and not (self.random and low is not None and high is not None):
            number = _fraction(wish)
            if number is not None and _inside(number, low, high, is_open_low, is_open_high):
                number = number if step is None else floor(number / step) * step
                if _inside(number, low, high, is_open_low, is_open_high):
                    return _json_number(number, kind)
        if step is not None:
            first = None if low is None else ceil(low / step) + (is_open_low and low % step == 0)
            last = None if high is None else floor(high / step) - (is_open_high and high % step == 0)
            return _json_number(self._between(first, last, random, shift, variant) * step, kind)
        if low is not None and high is not None:
            share = Fraction(random.randrange(1, 100), 100) if self.random or variant or is_open_low else Fraction(0)
            number = low + (high - low) * share
            if not is_open_high and not is_open_low and not share and shift:
                number = low + (high - low) * Fraction(shift % 100, 100)
            return _json_number(number, kind)
        whole = self._between(
            None if low is None else floor(low) + (1 if is_open_low else ceil(low) - floor(low)),
            None if high is None else ceil(high) - (1 if is_open_high else ceil(high) - floor(high)),
            random, shift, variant,
        )  # fmt: skip
        return _json_number(Fraction(whole) + (Fraction(1, 2) if variant and high is None else 0), kind)

    def _between(self, low: int | None, high: int | None, random: Random, shift: int, variant: int) -> int:
        """A whole number between two, which may be open: small and positive where that can be."""
        if low is None:
            low = min(0 if self.lean else 1, high) if high is not None else 0 if self.lean else 1
            low = low - 100 if high is not None and high < 1 and (self.random or variant) else low
        top = low + 100 if high is None else high
        if top <= low:
            return low
        if self.random or variant:
            return random.randint(low, top)
        return low + shift % (top - low + 1)

    def _text(self, node: Node, name: str, random: Random, shift: int, variant: int) -> str:
        least, most = _whole(node, "minLength", 0), _whole(node, "maxLength", MAX_LENGTH)
        if variant >= 2:  # another length may be what another branch does not allow
            least = random.randint(least, max(least, min(most, least + 40)))
            most = least if variant % 2 else most
        wording = self.sampler.wording
        if "x-faker" in node and (made := wording.faked(node["x-faker"], random)) is not None:
            text = str(made)
            if least <= len(text) <= most:
                return text
        pattern = node.get("pattern")
        text = wording.text(node, name, random, shift)
        if not least <= len(text) <= most:
            text = fitted(text, least, most)
        if not isinstance(pattern, str) or self.sampler.matches(pattern, text):
            return text
        return self._match(pattern, random, text, least, most)

    def _match(self, pattern: str, random: Random, text: str, least: int = 0, most: int = MAX_LENGTH) -> str:
        """A text of a pattern and a length; readable if some draw is."""
        spare = text
        for _ in range(MAX_DRAWS):
            made = text_of_pattern(pattern, random)
            if made is None:
                break
            if len(made) < least:
                longer = [made + made, made.ljust(least, made[-1:] or "x"), made.ljust(least, "a"), made * least]
                made = next((t[:most] for t in longer if len(t) >= least and self.sampler.matches(pattern, t)), made)
            if least <= len(made) <= most and self.sampler.matches(pattern, made):
                if made.isprintable() and made.strip() == made:
                    return made
                spare = made
        return spare


def _places(error: Any, depth: int = 0) -> Iterator[list[str | int]]:
    """Where a value is wrong: the place itself, and inside it the places by which the nearest branch is missed."""
    yield error.instance_path
    for name in getattr(error.kind, "unexpected", None) or ():
        yield [*error.instance_path, str(name)]
    context = getattr(error.kind, "context", None)
    if context and depth < 8:
        branches = [branch for branch in context if branch]
        deep = [b for b in branches if all(len(e.instance_path) > len(error.instance_path) for e in b)]
        for inner in min(deep, key=len, default=[]):
            yield from _places(inner, depth + 1)


def _bounds(node: Node) -> tuple[Fraction | None, Fraction | None, bool, bool]:
    """The least and the greatest number, and whether they are themselves excluded, in both spellings of OpenAPI."""
    low, high = _fraction(node.get("minimum")), _fraction(node.get("maximum"))
    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    is_open_low, is_open_high = above is True, below is True
    if (bound := _fraction(above)) is not None and (low is None or bound >= low):
        low, is_open_low = bound, True
    if (bound := _fraction(below)) is not None and (high is None or bound <= high):
        high, is_open_high = bound, True
    return low, high, is_open_low, is_open_high


def _inside(number: Fraction, low: Fraction | None, high: Fraction | None, open_low: bool, open_high: bool) -> bool:
    return (low is None or number > low or (number == low and not open_low)) and (
        high is None or number < high or (number == high and not open_high)
    )


def _fraction(value: Any) -> Fraction | None:
    """A keyword's number as it is written, so that steps of 0.1 add up."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    with suppress(ValueError, OverflowError):
        return Fraction(str(value))
    return None


def _json_number(number: Fraction, kind: str) -> int | float:
    if number.denominator == 1:
        whole = int(number)
        if abs(whole) < MAX_INTEGER:
            return whole
    with suppress(OverflowError):
        return float(number)
    return 0


def _whole(node: Node, key: str, usual: int) -> int:
    value = node.get(key)
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and value < 1e9 else usual


def _allows_null(node: Node) -> bool:
    declared = node.get("type")
    return node.get("nullable") is True or (isinstance(declared, list) and "null" in declared)


def _single(name: str) -> str:
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name


def _plain(value: Any) -> Any:
    """An example as JSON has it: YAML reads dates and such where a text was meant."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, (str, bool, float)):
        return value
    if isinstance(value, int):
        return value if abs(value) < MAX_INTEGER else float(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
