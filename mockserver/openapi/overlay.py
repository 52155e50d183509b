"""OpenAPI Overlay 1.0: a list of updates and removals applied to a document, each at a JSONPath target."""

import copy
from typing import Any

from mockserver.errors import DocumentError
from mockserver.openapi.document import Node

ROOT_KEYS = {"overlay", "info", "extends", "actions"}
ACTION_KEYS = {"target", "description", "update", "remove"}


def apply_overlay(root: Node, overlay: Any, origin: str) -> Node:
    """The document with every action applied, in order; `root` itself is changed.

    Raises DocumentError for a malformed overlay, and for a target that matches nothing: the standard lets
    that pass, but then a correction that the user wrote would silently not be made.
    """
    actions = _read_actions(overlay, origin)
    import jsonpath  # 25 ms: only those who apply an overlay pay

    for number, action in enumerate(actions, 1):
        where = f"{origin}: action {number} (target {action['target'][:200]!r})"
        try:
            matches = list(jsonpath.finditer(action["target"].strip(), root, strict=True))
        except (jsonpath.JSONPathError, RecursionError) as error:
            reason = error.args[0] if error.args else error  # as text it has a drawing of the place
            raise DocumentError(f"{where}: the target is not a JSONPath of RFC 9535: {reason}.") from None
        if not matches:
            raise DocumentError(f"{where} matches nothing in the document. Mend the path, or remove the action.")
        for match in reversed(matches) if action.get("remove") else matches:
            root = _remove(root, match, where) if action.get("remove") else _update(root, match, action, where)
    return root


def _read_actions(overlay: Any, origin: str) -> list[Node]:
    if not isinstance(overlay, dict) or "overlay" not in overlay:
        raise DocumentError(f"{origin}: no `overlay` field, so this is not an OpenAPI Overlay.")
    if not str(overlay["overlay"]).startswith("1."):
        raise DocumentError(f"{origin}: `overlay` is {overlay['overlay']!r}; version 1.0 is read.")
    unknown = {k for k in overlay if not str(k).startswith("x-")} - ROOT_KEYS
    if unknown:
        raise DocumentError(f"{origin}: unknown keys {sorted(unknown)}; known are {sorted(ROOT_KEYS)}.")
    actions = overlay.get("actions")
    if not isinstance(actions, list) or not actions:
        raise DocumentError(f"{origin}: `actions` must be a list of at least one action.")
    for number, action in enumerate(actions, 1):
        if not isinstance(action, dict) or not isinstance(action.get("target"), str):
            raise DocumentError(f"{origin}: action {number} has no `target` (a JSONPath).")
        unknown = {k for k in action if not str(k).startswith("x-")} - ACTION_KEYS
        if unknown:
            raise DocumentError(f"{origin}: action {number}: unknown keys {sorted(unknown)}.")
        if not action.get("remove") and "update" not in action:
            raise DocumentError(f"{origin}: action {number} has neither `update` nor `remove: true`.")
    return actions


def _remove(root: Node, match: Any, where: str) -> Node:
    if match.parent is None:
        raise DocumentError(f"{where}: the whole document cannot be removed.")
    holder, key = match.parent.obj, match.parts[-1]
    del holder[key]
    return root


def _update(root: Node, match: Any, action: Node, where: str) -> Node:
    update = copy.deepcopy(action["update"])
    if isinstance(match.obj, dict) and isinstance(update, dict):
        _merge(match.obj, update)
    elif isinstance(match.obj, list):
        match.obj.extend(update if isinstance(update, list) else [update])
    else:
        raise DocumentError(f"{where}: an update needs a map or a list as its target; remove and add instead.")
    return root


def _merge(into: Node, update: Node) -> None:
    for key, value in update.items():
        present = into.get(key)
        if isinstance(present, dict) and isinstance(value, dict):
            _merge(present, value)
        elif isinstance(present, list) and isinstance(value, list):
            present.extend(value)
        else:
            into[key] = value
