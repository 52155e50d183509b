"""Swagger 2.0 documents as OpenAPI 3.0.

The converters in use are a JavaScript program and a web service; the Python package index was searched and has none
that works offline and is maintained (November 2026). So this is one, and what it cannot say in 3.0 it says in a note.
"""

from typing import Any

from mockserver.errors import DocumentError
from mockserver.openapi.document import METHODS, Node

_SCHEMA_KEYS = ("type", "format", "items", "default", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum",
                "maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "enum", "multipleOf",
                "example", "x-example", "x-nullable")  # fmt: skip
_STYLES = {"csv": (None, False), "ssv": ("spaceDelimited", False), "pipes": ("pipeDelimited", False),
           "multi": ("form", True)}  # fmt: skip
_FLOWS = {"implicit": "implicit", "password": "password", "application": "clientCredentials",
          "accessCode": "authorizationCode"}  # fmt: skip
_REFS = {"#/definitions/": "#/components/schemas/", "#/responses/": "#/components/responses/",
         "#/parameters/": "#/components/parameters/"}  # fmt: skip
_KNOWN = {"swagger", "info", "host", "basePath", "schemes", "consumes", "produces", "paths", "definitions",
          "parameters", "responses", "securityDefinitions", "security", "tags", "externalDocs"}  # fmt: skip
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


def convert(root: Node, origin: str, notes: list[str]) -> Node:
    """The OpenAPI 3.0 document that says what a Swagger 2.0 document says. `notes` receives what could not be said."""
    return _Conversion(root, origin, notes).document()


class _Conversion:
    def __init__(self, root: Node, origin: str, notes: list[str]) -> None:
        self.root = root
        self.origin = origin
        self.notes = notes
        self.where = ""

    def document(self) -> Node:
        self._note(f"this is Swagger {self.root['swagger']}; it is read as OpenAPI 3.0.")
        for key in ("paths", "definitions", "parameters", "responses", "securityDefinitions"):
            if not isinstance(self.root.get(key, {}), dict):
                raise DocumentError(f"{self.origin}: {key} of this Swagger document is not a map.")
        for key in self.root.keys() - _KNOWN:
            if not str(key).startswith("x-"):
                self._note(f"the key {key!r} is no Swagger; it is not read.")
        out: Node = {"openapi": "3.0.3", "info": self.root.get("info", {}), "servers": self._servers()}
        out["paths"] = {path: self._path(str(path), item) for path, item in (self.root.get("paths") or {}).items()}
        out["components"] = {
            "schemas": {n: self._schema(s, f"definitions.{n}") for n, s in self._map("definitions").items()},
            "responses": {n: self._response(r, self.root.get("produces")) for n, r in self._map("responses").items()},
            "parameters": {n: self._parameter(p) for n, p in self._map("parameters").items() if not self._is_body(p)},
            "securitySchemes": {n: self._scheme(n, s) for n, s in self._map("securityDefinitions").items()},
        }
        for key in ("security", "tags", "externalDocs"):
            if key in self.root:
                out[key] = self.root[key]
        out.update({key: value for key, value in self.root.items() if str(key).startswith("x-")})
        return out

    def _note(self, text: str) -> None:
        self.notes.append(f"{self.origin}: {self.where + ': ' if self.where else ''}{text}")

    def _map(self, key: str) -> Node:
        value = self.root.get(key)
        return value if isinstance(value, dict) else {}

    def _servers(self) -> list[Node]:
        host, base = str(self.root.get("host") or ""), str(self.root.get("basePath") or "")
        base = base if base.startswith("/") or not base else f"/{base}"
        if not host:
            return [{"url": base or "/"}]
        return [{"url": f"{scheme}://{host}{base}"} for scheme in self.root.get("schemes") or ["https"]]

    def _path(self, path: str, item: Any) -> Any:
        if not isinstance(item, dict):
            return item
        shared = [p for p in item.get("parameters") or [] if isinstance(p, dict)]
        out: Node = {}
        for key, value in item.items():
            if key in METHODS and isinstance(value, dict):
                self.where = f"paths.{path}.{key}"
                out[key] = self._operation(value, shared)
                self.where = ""
            elif key == "parameters":
                out[key] = [self._parameter(p) for p in shared if not self._is_body(p)]
            elif key == "$ref":
                out[key] = _moved(value)
            elif str(key).startswith("x-"):
                out[key] = value
        return out

    def _operation(self, raw: Node, shared: list[Node]) -> Node:
        plain = {"tags", "summary", "description", "externalDocs", "operationId", "deprecated", "security"}
        out: Node = {k: v for k, v in raw.items() if k in plain or str(k).startswith("x-")}
        own = [p for p in raw.get("parameters") or [] if isinstance(p, dict)]
        parameters = [p for p in own if not self._is_body(p)]
        if parameters:
            out["parameters"] = [self._parameter(p) for p in parameters]
        bodies = [p for p in map(self._target, own) if p.get("in") in ("body", "formData")]
        named = {(p.get("name"), p.get("in")) for p in bodies}
        bodies += [p for p in map(self._target, shared)
                   if p.get("in") in ("body", "formData") and (p.get("name"), p.get("in")) not in named]  # fmt: skip
        consumes = raw.get("consumes", self.root.get("consumes"))
        if bodies:
            out["requestBody"] = self._body(bodies, consumes if isinstance(consumes, list) else [])
        produces = raw.get("produces", self.root.get("produces"))
        responses = raw.get("responses")
        if isinstance(responses, dict):
            out["responses"] = {
                status: answer if str(status).startswith("x-") else self._response(answer, produces)
                for status, answer in responses.items()
            }
        return out

    def _target(self, parameter: Node) -> Node:
        """A parameter, or the one in `parameters` that it refers to."""
        ref = parameter.get("$ref")
        if isinstance(ref, str) and ref.startswith("#/parameters/"):
            found = self._map("parameters").get(ref.removeprefix("#/parameters/"))
            if isinstance(found, dict):
                return found
        return parameter

    def _is_body(self, parameter: Any) -> bool:
        return isinstance(parameter, dict) and self._target(parameter).get("in") in ("body", "formData")

    def _body(self, parameters: list[Node], consumes: list[Any]) -> Node:
        whole = next((p for p in parameters if p.get("in") == "body"), None)
        fields = [p for p in parameters if p.get("in") == "formData"]
        if whole is not None:
            if fields:
                self._note("a body and form fields exclude each other; the fields are not read.")
            types = [str(t) for t in consumes if str(t) not in _FORMS] or [str(t) for t in consumes]
            schema = self._schema(whole.get("schema", {}), "body")
            body: Node = {"content": {t: {"schema": schema} for t in types or ["application/json"]}}
            if "description" in whole:
                body["description"] = whole["description"]
            return {**body, "required": bool(whole.get("required", False))}
        has_file = any(p.get("type") == "file" for p in fields)
        types = [str(t) for t in consumes if str(t) in _FORMS]
        if has_file and _FORMS[0] not in types:
            types = [_FORMS[0]]
        properties = {}
        for p in fields:
            properties[str(p.get("name"))] = {
                **self._simple(p),
                **({"description": p["description"]} if "description" in p else {}),
            }
        schema = {"type": "object", "properties": properties}
        required = [str(p.get("name")) for p in fields if p.get("required") is True]
        if required:
            schema["required"] = required
        return {"content": {t: {"schema": schema} for t in types or [_FORMS[1]]}, "required": bool(required)}

    def _parameter(self, raw: Any) -> Any:
        if not isinstance(raw, dict) or "$ref" in raw:
            return {**raw, "$ref": _moved(raw["$ref"])} if isinstance(raw, dict) else raw
        moved = {"collectionFormat", "allowEmptyValue", *_SCHEMA_KEYS}
        out = {k: v for k, v in raw.items() if k not in moved}
        out["schema"] = self._simple(raw)
        if raw.get("allowEmptyValue") and raw.get("in") == "query":
            out["allowEmptyValue"] = True
        if raw.get("type") == "array":
            style, explode = self._style(raw)
            if raw.get("in") == "query":
                out.update({"style": style or "form", "explode": explode})
            elif style is not None:
                self._note(f"the list {raw.get('name')!r} in the {raw.get('in')} is read with commas.")
        return out

    def _style(self, raw: Node) -> tuple[str | None, bool]:
        wanted = str(raw.get("collectionFormat") or "csv")
        if wanted not in _STYLES:
            self._note(
                f"collectionFormat {wanted!r} of {raw.get('name')!r} has no counterpart; it is read with commas."
            )
        return _STYLES.get(wanted, (None, False))

    def _simple(self, raw: Node) -> Node:
        """The schema of what Swagger describes without one: a parameter, a form field, a header."""
        schema = {k: raw[k] for k in _SCHEMA_KEYS if k in raw}
        if isinstance(schema.get("items"), dict):
            if "collectionFormat" in schema["items"]:
                self._note(f"collectionFormat of lists in the list {raw.get('name')!r} is not read.")
            schema["items"] = self._simple(schema["items"])
        if "x-example" in schema:
            schema.setdefault("example", schema.pop("x-example"))
        return self._schema(schema, str(raw.get("name")))  # type: ignore[no-any-return]

    def _response(self, raw: Any, produces: Any) -> Any:
        if not isinstance(raw, dict) or "$ref" in raw:
            return {**raw, "$ref": _moved(raw["$ref"])} if isinstance(raw, dict) else raw
        out = {k: v for k, v in raw.items() if k == "description" or str(k).startswith("x-")}
        out.setdefault("description", "")
        examples = raw.get("examples") if isinstance(raw.get("examples"), dict) else {}
        types = [str(t) for t in produces] if isinstance(produces, list) and produces else []
        types = [*types, *(str(t) for t in examples or {} if str(t) not in types)] or ["application/json"]
        if "schema" in raw or examples:
            schema = self._schema(raw["schema"], "response") if "schema" in raw else None
            out["content"] = {}
            for each in types:
                media: Node = {} if schema is None else {"schema": schema}
                if examples and each in examples:
                    media["example"] = examples[each]
                out["content"][each] = media
        headers = raw.get("headers")
        if isinstance(headers, dict):
            out["headers"] = {
                n: {**({"description": h["description"]} if "description" in h else {}), "schema": self._simple(h)}
                for n, h in headers.items()
                if isinstance(h, dict)
            }
        return out

    def _scheme(self, name: str, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        kind = raw.get("type")
        about = {k: v for k, v in raw.items() if k == "description" or str(k).startswith("x-")}
        if kind == "basic":
            return {**about, "type": "http", "scheme": "basic"}
        if kind == "apiKey":
            return {**about, "type": "apiKey", "name": raw.get("name"), "in": raw.get("in")}
        if kind == "oauth2":
            flow = {k: raw[k] for k in ("authorizationUrl", "tokenUrl") if k in raw}
            flow["scopes"] = raw.get("scopes", {})
            return {**about, "type": "oauth2", "flows": {_FLOWS.get(str(raw.get("flow")), "implicit"): flow}}
        self._note(f"the security scheme {name!r} is of the unknown type {kind!r}.")
        return raw

    def _schema(self, node: Any, place: str) -> Any:
        """A schema with what is said otherwise in 3.0: references, files, nullable, discriminators."""
        if isinstance(node, list):
            return [self._schema(each, place) for each in node]
        if not isinstance(node, dict):
            return node
        out: Node = {}
        for key, value in node.items():
            if key == "$ref":
                out[key] = _moved(value)
            elif key == "x-nullable":
                out["nullable"] = value is True
            elif key == "discriminator" and isinstance(value, str):
                out[key] = {"propertyName": value}
            elif key in ("properties", "patternProperties") and isinstance(value, dict):
                out[key] = {name: self._schema(sub, f"{place}.{name}") for name, sub in value.items()}
            elif key in ("items", "additionalProperties", "allOf", "anyOf", "oneOf", "not"):
                out[key] = self._schema(value, place)
            else:
                out[key] = value
        if out.get("type") == "file":
            out.update(type="string", format="binary")
        return out


def _moved(ref: Any) -> Any:
    """A reference to where the thing stands in OpenAPI 3; references to other files keep their way inside those."""
    if isinstance(ref, str):
        for old, new in _REFS.items():
            if ref.startswith(old):
                return new + ref.removeprefix(old)
    return ref
