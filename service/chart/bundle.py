"""Any FHIR R4 Bundle, or one resource, to the resources in it."""

import copy
from collections.abc import Iterator
from typing import Any

from service.errors import UnusableInput
from service.ports import Resource

_REMEDY = "Send a FHIR R4 resource or Bundle as JSON."
_DEPTH = 64
_LEVELS = 100
"""Levels of JSON: no resource has as many, and what copies or walks a document further down would run out of stack."""


def resources_of(document: object) -> list[Resource]:
    """The resources of a Bundle (collection, searchset, history, transaction, batch, message, document) or of one.

    Bundles within Bundles are opened. References by ``fullUrl`` (``urn:uuid:…``) become ``Type/id``; a
    resource without an id takes one from its fullUrl or its place. Deleted and failed entries of a
    history, search outcomes and message headers say nothing of the patient and are left out.

    Raises:
        UnusableInput: not a JSON object with a resourceType, a Bundle whose entries are no list, or nested
            deeper than 100 levels.
    """
    if _is_deeper(document, _LEVELS):
        raise UnusableInput(f"Bundle: nested deeper than {_LEVELS} levels", remedy=_REMEDY)
    found: list[Resource] = []
    names: dict[str, str] = {}
    for url, resource in _entries(document, "Bundle", 0):
        kind = resource["resourceType"]
        if kind in ("OperationOutcome", "MessageHeader", "Parameters", "SubscriptionStatus"):
            continue
        own = copy.deepcopy(resource)
        if not isinstance(own.get("id"), str) or not own["id"]:
            own["id"] = _id_from(url) or f"{len(found) + 1}"
        if url:
            names.setdefault(url, f"{kind}/{own['id']}")
        found.append(own)
    newest: dict[tuple[str, str], Resource] = {}
    for own in found:
        newest.setdefault((own["resourceType"], own["id"]), own)
    for own in newest.values():
        _point(own, names, 0)
    return list(newest.values())


def _entries(document: object, place: str, depth: int) -> Iterator[tuple[str, Resource]]:
    if not isinstance(document, dict) or not isinstance(document.get("resourceType"), str):
        raise UnusableInput(f"{place}: no FHIR resource", remedy=_REMEDY)
    if document["resourceType"] != "Bundle":
        yield "", document
        return
    entries = document.get("entry", [])
    if not isinstance(entries, list):
        raise UnusableInput(f"{place}.entry: not a list", remedy=_REMEDY)
    for index, entry in enumerate(entries):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str) or _deleted(entry):
            continue
        if resource["resourceType"] == "Bundle":
            if depth < _DEPTH:
                yield from _entries(resource, f"{place}.entry[{index}].resource", depth + 1)
            continue
        url = entry.get("fullUrl")
        yield url if isinstance(url, str) else "", resource


def _is_deeper(document: object, levels: int) -> bool:
    nodes = [document]
    for _ in range(levels):
        if not nodes:
            return False
        nodes = [
            child
            for node in nodes
            for child in (node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())
            if isinstance(child, (dict, list))
        ]
    return bool(nodes)


def _deleted(entry: dict[str, Any]) -> bool:
    request = entry.get("request")
    return isinstance(request, dict) and request.get("method") == "DELETE"


def _id_from(url: str) -> str:
    tail = url.rpartition("/")[2].rpartition(":")[2]
    return tail if 0 < len(tail) <= 64 else ""


def _point(node: Any, names: dict[str, str], depth: int) -> None:
    """Write references as ``Type/id``, in place: the resources are copies."""
    if depth > _DEPTH:
        return
    if isinstance(node, dict):
        reference = node.get("reference")
        if isinstance(reference, str) and reference in names:
            node["reference"] = names[reference]
        for value in node.values():
            _point(value, names, depth + 1)
    elif isinstance(node, list):
        for value in node:
            _point(value, names, depth + 1)
