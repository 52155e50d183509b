"""Providers from names, folders and files."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mockserver.errors import DocumentError, NoJobError, Problem
from mockserver.jobs.declaration import read_declaration
from mockserver.jobs.inference import read_contract
from mockserver.jobs.profile import Profile, read_profiles
from mockserver.jobs.vocabulary import Vocabulary
from mockserver.loading import cache
from mockserver.loading.files import label, read_bytes
from mockserver.openapi.document import Document, Node, check_outline
from mockserver.openapi.overlay import apply_overlay
from mockserver.provider import Provider

EXAMINED_FIRST = 1_000_000  # bytes of a document that is examined before a server listens: it takes 0.1 s at most
DOCUMENT_NAMES = ("openapi.yaml", "openapi.yml", "openapi.json")


def bundled(kind: str) -> Path:
    """The folder of bundled `specs` or `fixtures`: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).parent.parent
    packed = package / "_bundled" / kind
    return packed if packed.is_dir() else package.parent / kind


def bundled_names() -> list[str]:
    """The names of the bundled providers, sorted."""
    return sorted(p.parent.name for p in bundled("specs").glob("*/openapi.yaml"))


@dataclass(slots=True)
class Loaded:
    """A provider with the files that a change of it comes from, and what is wrong with its operations."""

    provider: Provider
    files: tuple[Path, ...]
    key: str
    problems: tuple[Problem, ...] | None  # None: not looked for yet

    def find_problems(self) -> Iterator[Problem | None]:
        """What requests would stumble over when they first need it. Gives None now and then, to let others work."""
        found = []
        for problem in _examined(self.provider):
            if problem is not None:
                found.append(problem)
            yield problem
        self.problems = tuple(found)
        cache.save(_checked(self.key), [list(problem) for problem in found])


def load_provider(spec: str, overlays: tuple[str, ...] = ()) -> Provider:
    """A provider from the name of a bundled one, a folder, or a file. Raises MockserverError.

    A folder's `overlay.yaml` is applied by itself; further overlays after it, in the order given.
    """
    return load(spec, overlays).provider


def load(spec: str, overlays: tuple[str, ...] = (), *, needs_job: bool = True) -> Loaded:
    """A provider as `load_provider` reads it, with all that belongs to it.

    Without `needs_job` a document in which no job is found is read too, and that is its first problem.

    A document of usual size is examined here: DocumentError is raised for an operation of a job that cannot be
    served; others that cannot are among the `problems`, and the rest is served. For a large one that takes too long
    before a server listens: `problems` is None if nobody has looked yet.
    """
    path, own_overlay = find_spec(spec)
    paths = [path, *([own_overlay] if own_overlay else []), *map(Path, overlays)]
    sources = [read_bytes(p) for p in paths]
    size = sum(map(len, sources))
    key = cache.key_of(*sources)
    read, is_kept = _kept(key, path), True
    if read is None:
        read, is_kept = _overlaid(paths, sources), False
    del sources
    document = Document(read.root, label(path), tuple(read.notes))
    declaration = read_declaration(read.root.get("x-job"), f"{document.origin}: x-job")
    without: tuple[Problem, ...] = ()
    try:
        contract = read_contract(document, load_vocabulary(), declaration, load_profiles())
    except NoJobError as error:
        if needs_job or not document.operations:
            raise
        contract = read_contract(document, load_vocabulary(), declaration, load_profiles(), needs_job=False)
        reason = str(error).removeprefix(f"{document.origin}: ")
        without = (Problem(f"{reason} Until then its operations answer with examples and samples.", fatal=False),)
    provider = Provider(path.resolve().parent.name if path.name in DOCUMENT_NAMES else path.stem, contract)
    whole = _digest(key, read)
    of_folder = [path.parent / "overlay.yaml"] if Path(spec).is_dir() and not own_overlay else []  # may yet come
    files = (*paths, *of_folder, *(path.parent / name for name in read.files))
    loaded = Loaded(provider, files, whole, None)
    if not overlays and bundled("specs") in path.parents:  # the bundled ones are examined by the tests
        loaded.problems = ()
    elif (known := _known_problems(whole)) is not None:
        loaded.problems = known
    elif size <= EXAMINED_FIRST:
        for problem in loaded.find_problems():
            if problem and problem.fatal:
                raise DocumentError(f"{document.origin}: {problem.text}")
    loaded.problems = (*without, *(loaded.problems or ())) if without or loaded.problems is not None else None
    if not is_kept and read.is_worth_keeping:
        cache.save(key, {"root": read.root, "notes": read.notes, "files": read.files})
    return loaded


def _examined(provider: Provider) -> Iterator[Problem | None]:
    from mockserver.clock import Clock
    from mockserver.engine.engine import Engine
    from mockserver.sandbox.sandbox import Sandboxes

    return Engine(provider, Sandboxes(Clock(lambda: 0.0)), media=_Unmade()).examine()


class _Unmade:
    """Stands for the media where none is asked for: nothing is fetched while operations are examined."""

    def video(self, width: int, height: int, seconds: float) -> bytes:
        return b""

    def video_bytes(self, width: int, height: int, seconds: float) -> int:
        return 1

    def sound(self, seconds: float, media_type: str) -> bytes:
        return b""

    def still(self, width: int, height: int, media_type: str) -> bytes:
        return b""

    def spritesheet(self, width: int, height: int, media_type: str) -> bytes:
        return b""


@lru_cache(maxsize=1)
def load_vocabulary() -> Vocabulary:
    """The words and patterns by which a contract is read."""
    return Vocabulary.from_data(_bundled_data("vocabulary.yaml"))


@lru_cache(maxsize=1)
def load_profiles() -> dict[str, Profile]:
    """The named profiles of durations."""
    return read_profiles(_bundled_data("profiles.yaml"), "fixtures/profiles.yaml")


@dataclass(frozen=True, slots=True)
class _Read:
    """A document with its overlays applied and its files brought in; `files`: their hashes by name from its folder."""

    root: Node
    notes: list[str]
    files: dict[str, str]
    is_worth_keeping: bool


def _overlaid(paths: list[Path], sources: list[bytes]) -> _Read:
    """The first file with the others applied as overlays."""
    from mockserver.loading.references import Bundle
    from mockserver.loading.trees import is_json_text, parse_tree

    path, *overlays = paths
    notes: list[str] = []
    bundle = Bundle(path)
    tree = parse_tree(sources[0], path, notes)
    root = bundle.inline(_as_openapi(tree, label(path), notes), sources[0])
    for overlay, source in zip(overlays, sources[1:], strict=True):
        root = check_outline(apply_overlay(root, parse_tree(source, overlay, notes), label(overlay)), label(path))
    plain = is_json_text(sources[0]) and not overlays and not bundle.files and not notes
    return _Read(
        root, notes, {os.path.relpath(f, path.parent.resolve()): h for f, h in bundle.hashes.items()}, not plain
    )


def _as_openapi(tree: Any, origin: str, notes: list[str]) -> Node:
    if isinstance(tree, dict) and str(tree.get("swagger", "")).startswith("2."):
        from mockserver.loading.swagger2 import convert

        tree = convert(tree, origin, notes)
    return check_outline(tree, origin)


def _kept(key: str, path: Path) -> _Read | None:
    """What was kept of an earlier reading, if the files that it refers to are as they were."""
    kept = cache.load(key)
    if not isinstance(kept, dict) or not isinstance(kept.get("root"), dict):
        return None
    try:
        files: dict[str, str] = kept["files"]
        if any(cache.key_of((path.parent / name).read_bytes()) != digest for name, digest in files.items()):
            return None
        return _Read(kept["root"], list(map(str, kept["notes"])), files, True)
    except (OSError, KeyError, TypeError, AttributeError):
        return None


def _digest(key: str, read: _Read) -> str:
    return cache.key_of(key.encode(), *(digest.encode() for _, digest in sorted(read.files.items())))


def _known_problems(key: str) -> tuple[Problem, ...] | None:
    kept = cache.load(_checked(key))
    try:
        return tuple(Problem(str(text), bool(fatal)) for text, fatal in kept) if isinstance(kept, list) else None
    except (TypeError, ValueError):
        return None


def _checked(key: str) -> str:
    """The cache's key of what was found to be wrong with a document."""
    return f"{key}.checked"


_DATA: dict[str, Any] = {}


def _bundled_data(name: str) -> Any:
    """A file of the bundled fixtures, parsed once a process and kept on disk like a document."""
    if name not in _DATA:
        path = bundled("fixtures") / name
        source = read_bytes(path)
        key = cache.key_of(source)
        kept = cache.load(key)
        if kept is None:
            from mockserver.loading.trees import parse_tree

            kept = parse_tree(source, path)
            cache.save(key, kept)
        _DATA[name] = kept
    return _DATA[name]


def find_spec(spec: str) -> tuple[Path, Path | None]:
    """The document of a bundled provider, a folder or a file, and the overlay beside it. Raises DocumentError."""
    folder = Path(spec)
    if spec in bundled_names():
        folder = bundled("specs") / spec
    try:
        if folder.is_dir():
            for name in DOCUMENT_NAMES:
                if (folder / name).is_file():
                    overlay = folder / "overlay.yaml"
                    return folder / name, overlay if overlay.is_file() else None
            raise DocumentError(f"{spec}: the folder holds none of {', '.join(DOCUMENT_NAMES)}.")
        if folder.is_file():
            return folder, None
    except OSError as error:  # too long a name, no right to look
        raise DocumentError(f"{spec[:200]}: cannot be read: {error.strerror}.") from None
    raise DocumentError(f"{spec}: no such file, folder or bundled provider. Bundled are: {', '.join(bundled_names())}.")
