"""Providers from names, folders and files."""

from pathlib import Path
from typing import Any

from mockserver.errors import DocumentError
from mockserver.jobs.declaration import read_declaration
from mockserver.jobs.inference import read_contract
from mockserver.jobs.profile import Profile, read_profiles
from mockserver.jobs.vocabulary import Vocabulary
from mockserver.loading import cache
from mockserver.loading.files import label, read_bytes
from mockserver.openapi.document import Document, Node, check_outline
from mockserver.openapi.overlay import apply_overlay
from mockserver.provider import Provider

DOCUMENT_NAMES = ("openapi.yaml", "openapi.yml", "openapi.json")


def bundled(kind: str) -> Path:
    """The folder of bundled `specs` or `fixtures`: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).parent.parent
    packed = package / "_bundled" / kind
    return packed if packed.is_dir() else package.parent / kind


def bundled_names() -> list[str]:
    """The names of the bundled providers, sorted."""
    return sorted(p.parent.name for p in bundled("specs").glob("*/openapi.yaml"))


def load_provider(spec: str, overlays: tuple[str, ...] = ()) -> Provider:
    """A provider from the name of a bundled one, a folder, or a file. Raises MockserverError.

    A folder's `overlay.yaml` is applied by itself; further overlays after it, in the order given.
    """
    path, own_overlay = _find(spec)
    paths = [path, *([own_overlay] if own_overlay else []), *map(Path, overlays)]
    sources = [read_bytes(p) for p in paths]
    key = cache.key_of(*sources)
    kept = cache.load(key)
    root, is_whole = (kept, True) if isinstance(kept, dict) else _overlaid(paths, sources)
    document = Document(root, label(path))
    declaration = read_declaration(root.get("x-job"), f"{document.origin}: x-job")
    contract = read_contract(document, load_vocabulary(), declaration, load_profiles())
    provider = Provider(path.resolve().parent.name if path.name in DOCUMENT_NAMES else path.stem, contract)
    if root is not kept:  # what is in the cache was checked before it came there
        if overlays or bundled("specs") not in path.parents:  # the bundled ones are checked by the tests
            _check(provider)
        if is_whole:
            cache.save(key, root)
    return provider


def _check(provider: Provider) -> None:
    """Raises DocumentError for what would fail when a request first needs it."""
    from mockserver.clock import FrozenClock
    from mockserver.engine.engine import Engine
    from mockserver.stores.memory import MemoryStore

    Engine(provider, FrozenClock(0.0), MemoryStore(1), media=None).check()  # type: ignore[arg-type]  # none is made


def load_vocabulary() -> Vocabulary:
    """The words and patterns by which a contract is read."""
    return Vocabulary.from_data(_bundled_data("vocabulary.yaml"))


def load_profiles() -> dict[str, Profile]:
    """The named profiles of durations."""
    return read_profiles(_bundled_data("profiles.yaml"), "fixtures/profiles.yaml")


def _overlaid(paths: list[Path], sources: list[bytes]) -> tuple[Node, bool]:
    """The root of the first file with the others applied as overlays, and whether these files are all of it."""
    from mockserver.loading.references import Bundle
    from mockserver.loading.trees import parse_tree

    path, *overlays = paths
    bundle = Bundle(path)
    root = bundle.inline(check_outline(parse_tree(sources[0], path), label(path)))
    for overlay, source in zip(overlays, sources[1:], strict=True):
        root = check_outline(apply_overlay(root, parse_tree(source, overlay), label(overlay)), label(path))
    return root, not bundle.files


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


def _find(spec: str) -> tuple[Path, Path | None]:
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
