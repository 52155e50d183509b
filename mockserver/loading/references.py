"""`$ref`s to other files of a document's folder, brought into the document itself."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mockserver.errors import DocumentError
from mockserver.loading import cache
from mockserver.loading.files import label, read_bytes
from mockserver.loading.trees import parse_tree
from mockserver.openapi.document import Node

# A reference that is not plainly a local one: `$ref: '#/…`. Also a key that is written with escapes, or no UTF-8.
_ELSEWHERE = re.compile(rb"""\$ref(?!["']?\s*:\s*["']?#)|\\[ux]0*24|\0""")


class Bundle:
    """Brings what `$ref`s to other files of the document's folder point at into the document itself."""

    def __init__(self, main: Path) -> None:
        self.main = main
        self.folder = main.parent.resolve()
        self.files: dict[Path, str] = {}
        self.hashes: dict[Path, str] = {}
        self.trees: Node = {}

    def inline(self, root: Node, raw: bytes) -> Node:
        """The document with every reference made local. Raises DocumentError for one that leads outside.

        `raw`: the file that it was read from. If all references in it are local there is nothing to walk through.
        """
        if _ELSEWHERE.search(raw):
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
        where = f"{label(path)}: $ref {ref!r}"
        if "://" in name or name.startswith("//"):
            raise DocumentError(f"{where} is remote; nothing is fetched. Save that file beside this one.")
        try:
            target = (path.parent / unquote(name)).resolve() if name else path.resolve()
            is_file = target.is_file()
        except (OSError, ValueError, RuntimeError) as error:  # too long a name, NUL, links in a circle
            raise DocumentError(f"{where[:300]} is no usable file name: {error}"[:600]) from None
        if target == self.main.resolve():
            return f"#{fragment}"
        if self.folder not in target.parents:
            raise DocumentError(f"{where} leads out of the document's folder, which is not followed.")
        if not is_file:
            raise DocumentError(f"{where}: there is no such file.")
        if target not in self.files:
            self.files[target] = key = f"f{len(self.files)}"
            raw = read_bytes(target)
            self.hashes[target] = cache.key_of(raw)
            self.trees[key] = tree = parse_tree(raw, target)
            self._rewrite(tree, target, self.main)
        return f"#/x-bundled/{self.files[target]}{fragment}"
