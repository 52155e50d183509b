"""Reading a request as its operation declares it: parameters and body in the types of their schemas."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson

from mockserver.engine.refusal import Refusal, Violation, violations_refusal
from mockserver.form import FormError, FormPart, UploadedFile, read_multipart, read_urlencoded
from mockserver.message import Request
from mockserver.openapi.document import Document, Operation, Parameter, is_json
from mockserver.openapi.schema import Shape, Validator, shape_of

MAX_JSON_DEPTH = 64  # containers inside containers; no contract seen needs more than 10
MAX_JSON_VALUES = 100_000  # no contract seen needs more than some hundred; each costs about 100 bytes
MAX_DESCRIBED = 2000  # values of a wrong body that are looked at to say what is wrong; each fault costs 25 µs
MAX_SHOWN = 60  # characters of a wrong value in a message
MAX_TEXT = 100_000  # characters of one text in a body that is not a data URL; the longest prompt seen is 32,000
_INTEGER = re.compile(r"-?[0-9]{1,300}")  # any integer that a float can hold too
_NUMBER = re.compile(r"-?[0-9]{1,300}(\.[0-9]{1,300})?([eE][+-]?[0-9]{1,3})?")
_INDEX = re.compile(r"[0-9]{1,9}")
_KEY = re.compile(r"\[([^\[\]]*)\]")
_FORM_TYPES = ("multipart/form-data", "application/x-www-form-urlencoded")
_FILE = "(file)"  # stands in for an uploaded file while a form is checked against its schema


class Inputs(NamedTuple):
    """What a request said: parameters by place and name, and the body."""

    path: Mapping[str, Any]
    query: Mapping[str, Any]
    body: Any


class RequestReader:
    """Reads the requests of one operation. Validators are built when the operation is first used."""

    def __init__(self, document: Document, operation: Operation, *, fill: bool = True) -> None:
        """`fill`: give the body's fields the contract's defaults where they were left out."""
        self._document = document
        self._operation = operation
        self._fill = fill
        self._parameters = [
            _ParameterReader(document, p)
            for p in operation.parameters
            if p.place in ("path", "query", "header", "cookie")
            and not (p.place == "header" and p.name.lower() in ("accept", "content-type", "authorization"))
        ]
        self._in_path = [p for p in self._parameters if p.place == "path"]
        self._in_query = [p for p in self._parameters if p.place == "query"]
        self._in_headers = [p for p in self._parameters if p.place in ("header", "cookie")]
        self._plain_path = all(p.is_plain_text for p in self._in_path)
        self._no_query = not any(p.matters_when_absent for p in self._in_query)
        self._bodies = {name.split(";")[0].strip().lower(): media for name, media in operation.body.items()}
        self._body_readers: dict[str, _BodyReader] = {}
        self._by_header: dict[bytes, _BodyReader] = {}

    def check(self) -> None:
        """Build every validator now. Raises DocumentError."""
        for parameter in self._operation.parameters:
            Validator(self._document, parameter.schema, "request")
        for name, media in self._bodies.items():
            _BodyReader(self._document, name, media.get("schema") or {})

    def read(self, request: Request, path_values: Mapping[str, str]) -> Inputs:
        """The inputs of a request. Raises Refusal with every violation."""
        violations: list[Violation] = []
        path: Mapping[str, Any] = path_values
        if not self._plain_path:
            path = _gather(self._in_path, path_values.get, violations)
        query: Mapping[str, Any] = {}
        if request.query or not self._no_query:
            query = self._read_query(request.query, violations)
        if self._in_headers:
            _gather(self._in_headers, _header_source(request), violations)
        body = self._read_body(request, violations) if self._bodies else None
        if violations:
            raise violations_refusal(violations)
        return Inputs(path, query, body)

    def _read_query(self, text: str, violations: list[Violation]) -> dict[str, Any]:
        try:
            parts = read_urlencoded(text)
        except FormError as error:
            raise Refusal("invalid_request", str(error)) from None
        values: dict[str, Any] = {}
        for name, value in parts:
            values.setdefault(name, []).append(value)
        return _gather(self._in_query, lambda name: _query_value(self._in_query, values, name), violations)

    def _read_body(self, request: Request, violations: list[Violation]) -> Any:
        reader = self._body_reader(request)
        if reader is None:
            return None
        body = reader.read(request)
        if body is None:
            if self._operation.body_required or reader.needs_something:
                violations.extend(reader.missing())
            return None
        if not reader.accepts(body):
            violations.extend(reader.violations(body))
        return reader.value(body) if self._fill else body

    def _body_reader(self, request: Request) -> "_BodyReader | None":
        raw = request.headers.get(b"content-type")
        if raw is not None and (known := self._by_header.get(raw)):
            return known
        sent = raw.decode("latin-1").split(";")[0].strip().lower() if raw else ""
        empty = not request.body and not request.form
        if not sent:  # nothing was said: a lone body is read as what is declared first
            sent = next((t for t in self._bodies if is_json(t) or empty), next(iter(self._bodies)))
        declared = self._declared_type(sent)
        if declared is None:
            if not empty or self._operation.body_required:
                expected = " or ".join(self._bodies)
                raise Refusal("unsupported_media_type", f"Unsupported media type {sent[:80]!r}. Expected {expected}.")
            declared = next(iter(self._bodies))
        reader = self._body_readers.get(declared)
        if reader is None:
            schema = self._bodies[declared].get("schema") or {}
            reader = self._body_readers[declared] = _BodyReader(self._document, declared, schema)
        if raw is not None and raw == declared.encode():  # only the plain spelling: others are endless
            self._by_header[raw] = reader
        return reader

    def _declared_type(self, sent: str) -> str | None:
        if sent in self._bodies:
            return sent
        for declared in self._bodies:
            if declared == "*/*" or (declared.endswith("/*") and sent.startswith(declared[:-1])):
                return declared
            if is_json(declared) and is_json(sent):
                return declared
        return None


# -- parameters -------------------------------------------------------------------------------------


class _ParameterReader:
    """One parameter: its text turned into the type that its schema wants, then validated."""

    def __init__(self, document: Document, parameter: Parameter) -> None:
        self.name = parameter.name
        self.place = parameter.place
        self.required = parameter.required
        self.explode = parameter.explode
        self.deep = parameter.style == "deepObject"
        self.separator = {"spaceDelimited": " ", "pipeDelimited": "|"}.get(parameter.style, ",")
        self.shape = shape_of(document, parameter.schema)
        self._document = document
        self._schema = parameter.schema
        self._validator: Validator | None = None

    @property
    def is_plain_text(self) -> bool:
        """Whether any text is valid."""
        return not set(self.shape.node) - {"type", "description", "example", "title"} and self.shape.types in (
            (),
            ("string",),
        )

    @property
    def matters_when_absent(self) -> bool:
        return self.required or self.shape.get("default") is not None

    def read(self, raw: Any, violations: list[Violation]) -> Any:
        """The value of raw text (a list of texts for a repeated parameter, a map for a deep object)."""
        value = coerce(self._document, self.shape, self._split(raw))
        if self.is_plain_text and isinstance(value, str):
            return value
        if self._validator is None:
            self._validator = Validator(self._document, self._schema, "request")
        if not self._validator.is_valid(value):
            violations.extend(_describe(self._validator, value, self.place, self.name))
        return value

    def _split(self, raw: Any) -> Any:
        if not self.shape.is_array or isinstance(raw, dict):
            return raw[-1] if isinstance(raw, list) and len(raw) == 1 else raw
        texts = raw if isinstance(raw, list) else [raw]
        if len(texts) == 1 and (not self.explode or self.place in ("path", "header")):
            pieces = texts[0].split(self.separator)
            return [p.strip() for p in pieces] if self.place == "header" else pieces
        return texts


def _gather(
    readers: list[_ParameterReader], source: Callable[[str], Any], violations: list[Violation]
) -> dict[str, Any]:
    values = {}
    for reader in readers:
        raw = source(reader.name)
        if raw is None:
            if reader.required:
                violations.append(Violation(reader.place, reader.name, "required", "nothing", _wanted(reader.shape)))
            elif "default" in reader.shape.node:
                values[reader.name] = reader.shape.node["default"]
        else:
            values[reader.name] = reader.read(raw, violations)
    return values


def _query_value(readers: list[_ParameterReader], values: dict[str, list[str]], name: str) -> Any:
    reader = next(r for r in readers if r.name == name)
    if reader.deep:
        found = {
            k[len(name) + 1 : -1]: v[-1] for k, v in values.items() if k.startswith(name + "[") and k.endswith("]")
        }
        return found or None
    return values.get(name) or values.get(name + "[]")


def _header_source(request: Request) -> Callable[[str], Any]:
    cookies = {}
    for piece in request.headers.get(b"cookie", b"").decode("latin-1").split(";"):
        key, _, value = piece.strip().partition("=")
        cookies[key] = unquote(value)

    def source(name: str) -> Any:
        raw = request.headers.get(name.lower().encode("latin-1", "replace"))
        return raw.decode("latin-1") if raw is not None else cookies.get(name)

    return source


# -- bodies -----------------------------------------------------------------------------------------


class _BodyReader:
    """Bodies of one media type: parsed, put in the types of the schema, validated."""

    def __init__(self, document: Document, media_type: str, schema: Any) -> None:
        self._document = document
        self._is_form = media_type in _FORM_TYPES
        self._is_json = is_json(media_type)
        self._shape = shape_of(document, schema)
        self._media_type = media_type
        self._validator = Validator(document, schema, "request")
        self.accepts = self._validator.is_valid
        self.needs_something = bool(self._shape.required) and not self._validator.is_valid({})
        if self._is_form:
            self.accepts = self._accepts_form

    def read(self, request: Request) -> Any:
        """The parsed body, or None if none was sent. Raises Refusal for one that cannot be parsed."""
        if self._is_form:
            parts = self._parts(request)
            return coerce(self._document, self._shape, _nest(parts)) if parts else None
        if not request.body:
            return None
        return _parse_json(request.body) if self._is_json else _text(request.body)

    def _parts(self, request: Request) -> tuple[FormPart, ...]:
        if isinstance(request.form, FormError):
            raise Refusal("malformed_body", str(request.form))
        if request.form is not None:
            return request.form
        try:
            if self._media_type == _FORM_TYPES[1]:
                return read_urlencoded(_text(request.body))
            return (
                read_multipart(request.headers[b"content-type"].decode("latin-1"), request.body) if request.body else ()
            )
        except FormError as error:
            raise Refusal("malformed_body", str(error)) from None

    def _accepts_form(self, body: Any) -> bool:
        return not _misplaced_files(self._document, self._shape, body, "") and self._validator.is_valid(
            without_files(body)
        )

    def violations(self, body: Any) -> list[Violation]:
        """Everything that is wrong with a body, one entry a field."""
        if not self._is_form:
            return _describe(self._validator, body, "body", "")
        misplaced = _misplaced_files(self._document, self._shape, body, "")
        named = {v.field for v in misplaced}
        return misplaced + [
            v for v in _describe(self._validator, without_files(body), "body", "") if v.field not in named
        ]

    def missing(self) -> list[Violation]:
        """What a request without a body lacks."""
        whole = Violation("body", "", "required", "nothing", f"a body of {self._media_type}")
        return (_describe(self._validator, {}, "body", "") if self._shape.required else []) or [whole]

    def value(self, body: Any) -> Any:
        """The body with the defaults of its top-level fields filled in."""
        if not isinstance(body, dict):
            return body
        for name, default in self._defaults():
            body.setdefault(name, default)
        return body

    def _defaults(self) -> list[tuple[str, Any]]:
        pairs = ((name, shape_of(self._document, sub)) for name, sub in self._shape.properties.items())
        found = [(name, shape.node["default"]) for name, shape in pairs if "default" in shape.node]
        self._defaults = lambda: found  # type: ignore[method-assign]
        return found


def _parse_json(body: bytes) -> Any:
    if body.count(b"{") + body.count(b"[") > MAX_JSON_DEPTH or body.count(b",") > MAX_JSON_VALUES:
        _check_structure(body)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(
            "malformed_body", f"The body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None


_ROUND = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))


def _check_structure(body: bytes) -> None:
    """Raises Refusal for JSON of too many values or levels, in time that grows with its length alone."""
    many = Refusal("malformed_body", f"The JSON holds more than {MAX_JSON_VALUES} values.")
    text = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if text.count(b'"') > 4 * MAX_JSON_VALUES:
        raise many
    structure = b"".join(text.split(b'"')[::2])
    brackets = structure.translate(_ROUND, _NO_BRACKETS)
    if structure.count(b",") > MAX_JSON_VALUES or len(brackets) > 2 * MAX_JSON_VALUES:
        raise many
    for _ in range(MAX_JSON_DEPTH):
        brackets = brackets.replace(b"[]", b"")
    if b"[]" in brackets:  # what never closes is left to the parser, which refuses it
        raise Refusal("malformed_body", f"The JSON is nested more than {MAX_JSON_DEPTH} levels deep.")


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal("malformed_body", "The body is not UTF-8.") from None


def _nest(parts: tuple[FormPart, ...]) -> dict[str, Any]:
    """Form fields as a tree: `a[b]` is b in a, `a[]` and repeated names are lists, `a[0]` the first of a list."""
    tree: dict[str, Any] = {}
    for name, value in parts:
        head, bracket, _ = name.partition("[")
        keys = _KEY.findall(name) if bracket else []
        if bracket and (not head or len(keys) > 8 or head + "".join(f"[{k}]" for k in keys) != name):
            head, keys = name, []
        _put(tree, [head, *keys], value)
    return {key: _lists(value) for key, value in tree.items()}


def _put(tree: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        inner = tree.get(key)
        if not isinstance(inner, dict):
            inner = tree[key] = {}
        tree = inner
    tree.setdefault(keys[-1], [])
    if isinstance(tree[keys[-1]], list):
        tree[keys[-1]].append(value)


def _lists(node: Any) -> Any:
    if isinstance(node, list):
        return node
    values = {key: _lists(value) for key, value in node.items()}
    if set(values) == {""}:
        return values[""]
    if values and all(map(_INDEX.fullmatch, values)):
        return [_lone(values[key]) for key in sorted(values, key=int)]
    return values


def _lone(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def coerce(document: Document, shape: Shape, value: Any) -> Any:
    """Text put into the JSON types that a schema wants; what cannot be is left for the validator to name."""
    if isinstance(value, list):
        if shape.is_array:
            items = shape_of(document, shape.items or {})
            return [coerce(document, items, v) for v in value]
        return coerce(document, shape, value[0]) if len(value) == 1 else value
    options = (shape, *shape.branches)
    if isinstance(value, dict):
        known = _properties(options)
        return {k: coerce(document, shape_of(document, known[k]) if k in known else _ANY, v) for k, v in value.items()}
    if isinstance(value, str):
        if shape.is_array and "string" not in shape.types:
            return [coerce(document, shape_of(document, shape.items or {}), value)]
        return _from_text(options, value)
    return [value] if shape.is_array and "string" not in shape.types else value


def _properties(options: tuple[Shape, ...]) -> dict[str, Any]:
    """The properties that a value of one of these forms may have; the schema's own win over a branch's."""
    return {name: sub for option in reversed(options) for name, sub in option.properties.items()}


_ANY = Shape((), False, {}, frozenset(), None, {}, (), "")


def _from_text(options: tuple[Shape, ...], text: str) -> Any:
    types = {t for option in options for t in option.types}
    takes_text = "string" in types and not all(_is_file(o) for o in options if "string" in o.types)
    if not types or (takes_text and not _suits_better(options, text)):
        return text
    if "integer" in types and _INTEGER.fullmatch(text):
        return int(text)
    if "number" in types and _NUMBER.fullmatch(text):
        return float(text) if not _INTEGER.fullmatch(text) else int(text)
    if "boolean" in types and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if ("object" in types or any(o.is_object for o in options)) and text.lstrip()[:1] == "{":
        try:
            return _parse_json(text.encode())
        except Refusal:
            return text
    return text


def _suits_better(options: tuple[Shape, ...], text: str) -> bool:
    """Whether text that may stay text is meant as another type: no string branch lists it as one of its words."""
    words = [o.constants for o in options if "string" in o.types]
    return len(options) > 1 and all(w is not None and text not in w for w in words)


def _is_file(shape: Shape) -> bool:
    return shape.get("format") in ("binary", "byte") or bool(shape.get("contentMediaType"))


def _misplaced_files(document: Document, shape: Shape, value: Any, field: str) -> list[Violation]:
    """Text where a file is wanted, and files where none is."""
    options = (shape, *shape.branches)
    if isinstance(value, UploadedFile):
        takes = any(_is_file(o) or not o.types for o in options)
        return [] if takes else [Violation("body", field, "type", "a file", _wanted(shape))]
    if isinstance(value, str):
        strings = [o for o in options if "string" in o.types]
        only_files = bool(strings) and all(_is_file(o) for o in strings)
        return [Violation("body", field, "type", "a string", "a file")] if only_files else []
    found: list[Violation] = []
    if isinstance(value, dict):
        properties = _properties(options)
        for key, sub in value.items():
            inner = shape_of(document, properties[key]) if key in properties else _ANY
            found += _misplaced_files(document, inner, sub, f"{field}.{key}" if field else key)
    elif isinstance(value, list) and shape.is_array:
        items = shape_of(document, shape.items or {})
        for index, sub in enumerate(value):
            found += _misplaced_files(document, items, sub, f"{field}[{index}]")
    return found


def without_files(value: Any) -> Any:
    """A form's value with a plain word in place of every uploaded file."""
    if isinstance(value, UploadedFile):
        return _FILE
    if isinstance(value, dict):
        return {k: without_files(v) for k, v in value.items()}
    return [without_files(v) for v in value] if isinstance(value, list) else value


# -- naming what is wrong ---------------------------------------------------------------------------


def _describe(validator: Validator, value: Any, place: str, name: str) -> list[Violation]:
    """The validator's errors in our words, one a field: a wrong type makes its other errors noise."""
    found: dict[str, Violation] = {}
    excerpt = _excerpt(value, iter(range(MAX_DESCRIBED)))
    for error in validator.iter_errors(excerpt):
        for violation in _from_error(error, place, name):
            kept = found.get(violation.field)
            if kept is None or (violation.kind == "type" and kept.kind != "type"):
                expected = kept.expected if kept and kept.kind == "enum" else violation.expected
                found[violation.field] = violation._replace(expected=expected)
            elif violation.kind == "enum" and kept.kind == "type":
                found[violation.field] = kept._replace(expected=violation.expected)
    if not found and excerpt != value:
        many = f"more than {MAX_DESCRIBED} values"
        return [Violation(place, name, "size", many, "fewer, so that it can be said which is wrong")]
    return list(found.values())


def _excerpt(value: Any, room: Iterator[int]) -> Any:
    """As much of a value as there is room for: the validator lists every fault before it gives the first."""
    if isinstance(value, dict):
        return {key: _excerpt(inner, room) for (key, inner), _ in zip(value.items(), room, strict=False)}
    if isinstance(value, list):
        return [_excerpt(inner, room) for inner, _ in zip(value, room, strict=False)]
    return value


def _from_error(error: Any, place: str, name: str) -> list[Violation]:
    kind = error.kind
    field = _field_name(name, error.instance_path)
    facts = kind.as_dict()
    found = _found(error.instance)
    keyword = kind.name
    if keyword == "required":
        inner = f"{field}.{facts['property']}" if field else str(facts["property"])
        return [Violation(place, inner, "required", "nothing", "a value")]
    if keyword in ("additionalProperties", "unevaluatedProperties"):
        names = [f"{field}.{n}" if field else str(n) for n in facts["unexpected"]]
        return [Violation(place, n, "unknown", "an unknown field", "no such field") for n in names]
    if keyword in ("anyOf", "oneOf") and facts.get("context"):
        return _closest(error, place, name) or [Violation(place, field, keyword, found, "another form")]
    return [Violation(place, field, "type" if keyword == "type" else keyword, found, _expected(keyword, facts, error))]


def _closest(error: Any, place: str, name: str) -> list[Violation]:
    """What is wrong by the branch that comes nearest: the one whose faults lie deepest, then the fewest."""
    branches = [list(branch) for branch in error.kind.context if branch]
    depth = len(error.instance_path)
    same_type = [b for b in branches if not any(e.kind.name == "type" and len(e.instance_path) == depth for e in b)]
    if not same_type:
        types = sorted({t for b in branches for e in b if e.kind.name == "type" for t in _types(e)})
        field = _field_name(name, error.instance_path)
        return (
            [Violation(place, field, "type", _kind_of(error.instance), " or ".join(map(_article, types)))]
            if types
            else []
        )
    best = min(same_type, key=len)
    return [v for e in best for v in _from_error(e, place, name)]


def _types(error: Any) -> list[str]:
    types = error.kind.as_dict().get("types")
    return [str(t) for t in types] if isinstance(types, list) else []


def _expected(keyword: str, facts: Mapping[str, Any], error: Any) -> str:
    limit = facts.get("limit")
    match keyword:
        case "type":
            return " or ".join(map(_article, _types(error))) or "another type"
        case "enum":
            return "one of " + ", ".join(_shown(o) for o in facts.get("options", []))
        case "const":
            return _shown(facts.get("expected_value"))
        case "minimum" | "exclusiveMinimum":
            return f"{'more than' if 'exclusive' in keyword else 'at least'} {limit}"
        case "maximum" | "exclusiveMaximum":
            return f"{'less than' if 'exclusive' in keyword else 'at most'} {limit}"
        case "minLength" | "maxLength":
            return f"{'at least' if keyword[1] == 'i' else 'at most'} {limit} characters"
        case "minItems" | "maxItems":
            return f"{'at least' if keyword[1] == 'i' else 'at most'} {limit} items"
        case "format":
            return f"text of the format {facts.get('format')}"
        case "pattern":
            return f"text that matches {facts.get('pattern')}"
        case _:
            return str(error.message)[-200:]


def _field_name(name: str, path: list[Any]) -> str:
    for token in path:
        if isinstance(token, int):
            name += f"[{token}]"
        else:
            name = f"{name}.{token}" if name else str(token)
    return name


def _found(value: Any) -> str:
    if isinstance(value, (dict, list)) or value is None:
        return _kind_of(value)
    return f"{_kind_of(value)} ({_shown(value)})" if not isinstance(value, str) else _shown(value)


def _shown(value: Any) -> str:
    text = f"'{value}'" if isinstance(value, str) else str(value)
    length = len(value) if isinstance(value, str) else len(text)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}… ({length} characters)"


def _kind_of(value: Any) -> str:
    for kind, name in ((bool, "a boolean"), (int, "an integer"), (float, "a number"), (str, "a string"),
                       (dict, "an object"), (list, "an array")):  # fmt: skip
        if isinstance(value, kind):
            return name
    return "null"


def _article(kind: str) -> str:
    return "null" if kind == "null" else f"an {kind}" if kind[0] in "aio" else f"a {kind}"


def _wanted(shape: Shape) -> str:
    if shape.constants:
        return "one of " + ", ".join(map(_shown, shape.constants))
    return " or ".join(map(_article, shape.types)) or "a value"
