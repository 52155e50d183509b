"""Files into records: documents, overlays, profiles, vocabulary. The only reader of the user's and the bundled files."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import orjson
import yaml

from mockserver.errors import DocumentError, StartError
from mockserver.jobs.declaration import read_declaration
from mockserver.jobs.inference import read_contract
from mockserver.jobs.profile import Profile, read_profiles
from mockserver.jobs.vocabulary import Vocabulary
from mockserver.openapi.document import Document, Node, check_outline
from mockserver.openapi.overlay import apply_overlay
from mockserver.provider import Provider

MAX_FILE_BYTES = 64 * 1024 * 1024  # the largest published document seen is 13 MB
MAX_NODES = 5_000_000  # values in a document once its YAML aliases are written out
DOCUMENT_NAMES = ("openapi.yaml", "openapi.yml", "openapi.json")


def bundled(kind: str) -> Path:
    """The folder of bundled `specs` or `fixtures`: inside the wheel, or beside the package in a checkout."""
    packed = Path(__file__).parent / "_bundled" / kind
    return packed if packed.is_dir() else Path(__file__).parent.parent / kind


def bundled_names() -> list[str]:
    """The names of the bundled providers, sorted."""
    return sorted(p.parent.name for p in bundled("specs").glob("*/openapi.yaml"))


def load_provider(spec: str, overlays: tuple[str, ...] = ()) -> Provider:
    """A provider from the name of a bundled one, a folder, or a file. Raises MockserverError.

    A folder's `overlay.yaml` is applied by itself; further overlays after it, in the order given.
    """
    path, own_overlay = _find(spec)
    root = check_outline(read_tree(path), path.name)
    root = _Bundle(path).inline(root)
    check_outline(root, path.name)
    for overlay in [*([own_overlay] if own_overlay else []), *map(Path, overlays)]:
        root = apply_overlay(root, read_tree(overlay), _label(overlay))
    document = Document(check_outline(root, path.name), _label(path))
    declaration = read_declaration(root.get("x-job"), f"{document.origin}: x-job")
    contract = read_contract(document, load_vocabulary(), declaration, load_profiles())
    return Provider(path.parent.name if own_overlay or path.name in DOCUMENT_NAMES else path.stem, contract)


def load_vocabulary() -> Vocabulary:
    """The words and patterns by which a contract is read."""
    return Vocabulary.from_data(_bundled_data("vocabulary.yaml"))


def load_profiles() -> dict[str, Profile]:
    """The named profiles of durations."""
    return read_profiles(_bundled_data("profiles.yaml"), "fixtures/profiles.yaml")


_DATA: dict[str, Any] = {}


def _bundled_data(name: str) -> Any:
    if name not in _DATA:
        _DATA[name] = read_tree(bundled("fixtures") / name)
    return _DATA[name]


def _label(path: Path) -> str:
    """How to call a file in messages: with its folder, since many files are named openapi.yaml."""
    return f"{path.parent.name}/{path.name}" if path.parent.name else path.name


def _find(spec: str) -> tuple[Path, Path | None]:
    folder = Path(spec)
    if spec in bundled_names():
        folder = bundled("specs") / spec
    if folder.is_dir():
        for name in DOCUMENT_NAMES:
            if (folder / name).is_file():
                overlay = folder / "overlay.yaml"
                return folder / name, overlay if overlay.is_file() else None
        raise DocumentError(f"{spec}: the folder holds none of {', '.join(DOCUMENT_NAMES)}.")
    if folder.is_file():
        return folder, None
    raise StartError(
        f"{spec}: no such file, folder or bundled provider. Bundled are: {', '.join(bundled_names())}."
    )


def read_tree(path: Path) -> Any:
    """The data of a YAML or JSON file. Raises DocumentError with the line where it is broken."""
    label = _label(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise DocumentError(f"{label}: {path.stat().st_size} bytes; at most {MAX_FILE_BYTES} are read.")
        raw = path.read_bytes()
    except OSError as error:
        raise DocumentError(f"{label}: cannot be read: {error.strerror}.") from None
    if not raw.strip():
        raise DocumentError(f"{label}: the file is empty.")
    if raw.lstrip()[:1] in (b"{", b"["):
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            if path.suffix == ".json":
                raise DocumentError(f"{label}: broken JSON: {error}.") from None
    return _read_yaml(raw, label)


def _read_yaml(raw: bytes, label: str) -> Any:
    loader = None
    try:
        loader = _Loader(raw)
        root = loader.get_single_node()
        _refuse_explosion(root, raw, label)
        return loader.construct_document(root) if root is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise DocumentError(f"{label}: broken YAML at {place}: {error.problem}.") from None
    except yaml.YAMLError as error:
        raise DocumentError(f"{label}: broken YAML: {' '.join(str(error).split())}.") from None
    except (RecursionError, UnicodeDecodeError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else "not UTF-8"
        raise DocumentError(f"{label}: the file is {reason}.") from None
    finally:
        if loader:
            loader.dispose()


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML with the types of JSON: no dates, no `yes`/`on` booleans, keys as they are written.

    OpenAPI asks for YAML's JSON schema; PyYAML's defaults would read `no`, `12:30` and 2026-01-01 as
    something else than text, and the key 200 as a number.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        self.flatten_mapping(node)
        mapping: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is not plain text", key_node.start_mark)
            if key_node.value in mapping:
                problem = f"the key {key_node.value!r} stands here twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            mapping[key_node.value] = self.construct_object(value_node, deep=deep)
        return mapping


_Loader.yaml_implicit_resolvers = {}
_CORE = [  # YAML 1.2, chapter 10.3.2
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", "-+0123456789."),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("merge", r"^(?:<<)$", "<"),
]
for _tag, _pattern, _first in _CORE:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))
_Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(loader.construct_scalar(node)))


def _refuse_explosion(root: yaml.Node | None, raw: bytes, label: str) -> None:
    """Aliases make a small file a huge tree ("billion laughs") or an endless one: count before building."""
    if root is None or not (b"&" in raw and b"*" in raw):
        return
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: yaml.Node) -> int:
        key = id(node)
        if key in open_nodes:
            raise DocumentError(f"{label}: a YAML alias at line {node.start_mark.line + 1} contains itself.")
        if key not in sizes:
            open_nodes.add(key)
            children = node.value if isinstance(node, yaml.CollectionNode) else ()
            pairs = isinstance(node, yaml.MappingNode)
            sizes[key] = 1 + sum(size(v) + size(k) if pairs else size(k) for k, v in ((c, None) if not pairs else c for c in children))
            open_nodes.discard(key)
        if sizes[key] > MAX_NODES:
            raise DocumentError(f"{label}: its YAML aliases stand for more than {MAX_NODES} values.")
        return sizes[key]

    size(root)


class _Bundle:
    """Brings what `$ref`s to other files of the document's folder point at into the document itself."""

    def __init__(self, main: Path) -> None:
        self.main = main
        self.folder = main.parent.resolve()
        self.files: dict[Path, str] = {}
        self.trees: Node = {}

    def inline(self, root: Node) -> Node:
        """The document with every reference made local. Raises DocumentError for one that leads outside."""
        self._rewrite(root, self.main, self.main)
        if self.trees:
            root["x-bundled"] = self.trees
        return root

    def _rewrite(self, root: Any, path: Path, top: Path) -> None:
        waiting = [root]
        while waiting:
            node = waiting.pop()
            if isinstance(node, list):
                waiting.extend(node)
            elif isinstance(node, dict):
                ref = node.get("$ref")
                if isinstance(ref, str) and (not ref.startswith("#") or path is not top):
                    node["$ref"] = self._local(ref, path)
                waiting.extend(node.values())

    def _local(self, ref: str, path: Path) -> str:
        name, _, fragment = ref.partition("#")
        where = f"{_label(path)}: $ref {ref!r}"
        if "://" in name or name.startswith("//"):
            raise DocumentError(f"{where} is remote; nothing is fetched. Save that file beside this one.")
        target = (path.parent / name).resolve() if name else path.resolve()
        if target == self.main.resolve():
            return f"#{fragment}"
        if self.folder not in target.parents:
            raise DocumentError(f"{where} leads out of the document's folder, which is not followed.")
        if not target.is_file():
            raise DocumentError(f"{where}: there is no such file.")
        if target not in self.files:
            self.files[target] = key = f"f{len(self.files)}"
            tree = read_tree(target)
            self.trees[key] = tree
            self._rewrite(tree, target, self.main)
        return f"#/x-bundled/{self.files[target]}{fragment}"


