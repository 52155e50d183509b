"""Parsed documents kept on disk by the hash of their sources, so that the next start skips YAML and overlays."""

import os
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from mockserver import __version__

MAX_ENTRIES = 64  # the oldest go first


def folder() -> Path:
    """Where entries are kept: the user's cache folder (XDG_CACHE_HOME, or ~/.cache)."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(home) / "mockserver"


def key_of(*sources: bytes) -> str:
    """The key of what is made from these bytes, by this version of the package."""
    digest = blake2b(f"{__version__} {_code_stamp()}".encode(), digest_size=20)
    for source in sources:
        digest.update(b"%d:" % len(source))
        digest.update(source)
    return digest.hexdigest()


@cache
def _code_stamp() -> int:
    """When the code that makes the entries last changed, in nanoseconds: in a checkout the version says too little."""
    package = Path(__file__).parent.parent
    return max(source.stat().st_mtime_ns for source in package.glob("**/*.py"))


def load(key: str) -> Any:
    """The entry of a key, or None if there is none that can be read."""
    try:
        return orjson.loads((folder() / f"{key}.json").read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None


def save(key: str, tree: Any) -> None:
    """Keep an entry. A cache that cannot be written is no error: the next start is slower, that is all."""
    place = folder()
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = place / f"{key}.{os.getpid()}.tmp"
        draft.write_bytes(orjson.dumps(tree))
        draft.replace(place / f"{key}.json")
        entries = sorted(place.glob("*.json"), key=lambda entry: entry.stat().st_mtime)
        for entry in entries[:-MAX_ENTRIES]:
            entry.unlink(missing_ok=True)
    except (OSError, TypeError, ValueError):
        return
