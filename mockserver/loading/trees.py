"""The data of one YAML or JSON file, read strictly; hostile and broken files get a clear refusal."""

import re
from codecs import BOM_UTF8
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import orjson
import yaml

from mockserver.errors import DocumentError
from mockserver.loading.files import label, read_bytes
from mockserver.loading.plain_yaml import MAX_DEPTH, NotPlain, read_plain_yaml

MAX_NODES = 5_000_000  # values in a document once its YAML aliases are written out
TEXT_OF_A_NODE = 32  # characters that count as one value more
_BLANK = BOM_UTF8 + b" \t\r\n"
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
# Escapes of JSON: whole surrogate pairs are passed over, and so are escaped backslashes; halves are group 1.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


def read_tree(path: Path) -> Any:
    """The data of a file. Raises DocumentError with the line where it is broken."""
    return parse_tree(read_bytes(path), path)


def is_json_text(raw: bytes) -> bool:
    """Whether a file is taken for JSON, whatever it is called."""
    return raw[:200].lstrip(_BLANK)[:1] in (b"{", b"[")


def parse_tree(raw: bytes, path: Path, notes: list[str] | None = None) -> Any:
    """The data of a file's bytes: JSON, or YAML with the types of JSON. Raises DocumentError.

    `notes` receives what was read otherwise than it is written.
    """
    name = label(path)
    if is_json_text(raw):
        try:
            return _json_tree(raw, name, notes)
        except orjson.JSONDecodeError as error:
            if path.suffix == ".json":
                raise DocumentError(f"{name}: broken JSON: {error}.") from None
    try:
        return read_plain_yaml(raw)
    except NotPlain:
        pass
    # What an alias stands for is written out, so that a change of one (by an overlay) is not one of all.
    return orjson.loads(_json_of(_read_yaml(raw, name), name))


def _json_tree(raw: bytes, name: str, notes: list[str] | None) -> Any:
    """The data of JSON. Halves of surrogate pairs, which no text may hold, become U+FFFD."""
    raw = raw.removeprefix(BOM_UTF8)
    try:
        tree = orjson.loads(raw)
    except orjson.JSONDecodeError:
        if not _HALF.search(raw):
            raise
        if notes is not None:
            notes.append(f"{name}: halves of surrogate pairs (\\ud800 to \\udfff) are read as U+FFFD.")
        tree = orjson.loads(_ESCAPE.sub(lambda found: b"\\ufffd" if found[1] else found[0], raw))
    _json_of(tree, name)
    return tree


def _json_of(tree: Any, name: str) -> bytes:
    try:
        return orjson.dumps(tree)  # refuses more than 254 levels
    except TypeError as error:
        raise DocumentError(f"{name}: the file is nested too deeply, or holds what JSON cannot: {error}.") from None


def _read_yaml(raw: bytes, name: str) -> Any:
    loader = None
    try:
        loader = _Loader(raw)
        root = loader.get_single_node()
        _refuse_explosion(root, raw, name)
        return loader.construct_document(root) if root is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise DocumentError(f"{name}: broken YAML at {place}: {problem}.") from None
    except yaml.YAMLError as error:
        raise DocumentError(f"{name}: broken YAML: {' '.join(str(error).split())}.") from None
    except UnicodeDecodeError:
        raise DocumentError(f"{name}: the file is not UTF-8.") from None
    except (ValueError, KeyError) as error:  # PyYAML's constructors trust the tags that a file gives
        raise DocumentError(f"{name}: broken YAML: a value does not fit its tag: {error}.") from None
    finally:
        if loader:
            loader.dispose()


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML with the types of JSON: no dates, no `yes`/`on` booleans, keys as they are written.

    OpenAPI asks for YAML's JSON schema; PyYAML's defaults would read `no`, `12:30` and 2026-01-01 as
    something else than text, and the key 200 as a number.
    """

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self._flat: set[int] = set()
        self._depth = 0

    def descend_resolver(self, parent: yaml.Node | None, index: Any) -> None:
        """Called on the way into each node, before PyYAML's composer, which is C, goes down with the stack."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            problem = f"the file is nested more than {MAX_DEPTH} levels deep"
            raise yaml.composer.ComposerError(None, None, problem, parent.start_mark if parent else None)

    def ascend_resolver(self) -> None:
        self._depth -= 1

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Write out `<<`. A map's own keys must differ: only those that are merged in may be overridden."""
        if id(node) not in self._flat:
            self._flat.add(id(node))
            seen = set()
            for key_node, _ in node.value:
                if not isinstance(key_node, yaml.ScalarNode):
                    raise yaml.constructor.ConstructorError(None, None, "a key is not plain text", key_node.start_mark)
                if key_node.value in seen:
                    problem = f"the key {key_node.value!r} stands here twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
                seen.add(key_node.value)
        super().flatten_mapping(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        self.flatten_mapping(node)
        return {key.value: self.construct_object(value, deep=deep) for key, value in node.value}


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int | float:
    """An integer; one beyond 64 bits as the nearest float, as JSON is read."""
    text = loader.construct_scalar(node)
    return int(text) if len(text) < 20 else float(text)


_Loader.yaml_implicit_resolvers = {}
_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "str", "seq", "map")}
_Loader.yaml_constructors = {t: c for t, c in _Loader.yaml_constructors.items() if t is None or t in _TAGS}
_CORE = [  # YAML 1.2, chapter 10.3.2
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", "-+0123456789."),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("merge", r"^(?:<<)$", "<"),
]
for _tag, _pattern, _first in _CORE:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(loader.construct_scalar(node)))


def _refuse_explosion(root: yaml.Node | None, raw: bytes, name: str) -> None:
    """Aliases make a small file a huge tree ("billion laughs") or an endless one: count before building."""
    if root is None or not (b"&" in raw and b"*" in raw):
        return
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: yaml.Node) -> int:
        key = id(node)
        if key in open_nodes:
            raise DocumentError(f"{name}: a YAML alias at line {node.start_mark.line + 1} contains itself.")
        if key not in sizes:
            open_nodes.add(key)
            text = len(node.value) // TEXT_OF_A_NODE if isinstance(node, yaml.ScalarNode) else 0
            sizes[key] = 1 + text + sum(map(size, _children(node)))
            open_nodes.discard(key)
        if sizes[key] > MAX_NODES:
            raise DocumentError(f"{name}: its YAML aliases stand for more than {MAX_NODES} values.")
        return sizes[key]

    size(root)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
