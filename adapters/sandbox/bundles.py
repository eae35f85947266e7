"""Bundles that are carried out: transaction (all or nothing), batch (each for itself), and the loading
of a chart from a collection or another server's searchset (FHIR R4, http.html#transaction)."""

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from adapters.sandbox import interactions
from adapters.sandbox.outcome import Refusal, Resource, operation_outcome, refuse
from adapters.sandbox.search import read_query
from adapters.sandbox.storage import Records, Stored, references_in
from adapters.sandbox.validation import ID, is_resource_type, require_valid

TARGET = re.compile(r"\A([A-Za-z]+)(?:/([A-Za-z0-9\-.]{1,64}))?(?:\?(.*))?\Z", re.DOTALL)
LOADED = frozenset({"collection", "searchset", "document", "message"})
REASONS = {200: "200 OK", 201: "201 Created"}
LINKING = frozenset({"reference", "url", "valueUri", "valueUrl", "valueUuid"})
"""Elements in which a fullUrl is replaced by what it became; an Identifier's value is left alone."""


@dataclass(frozen=True, kw_only=True)
class Action:
    """One entry of a transaction or batch, understood."""

    index: int
    full_url: str
    method: str
    resource_type: str
    resource_id: str
    query: str
    resource: Resource | None
    if_none_exist: str | None
    if_match: str | None

    @property
    def at(self) -> str:
        return f"Bundle.entry[{self.index}]"


def read_actions(bundle: Resource) -> list[Action]:
    """Raises Refusal for an entry that has no usable request."""
    return [_read_action(entry, index) for index, entry in enumerate(_entries(bundle))]


def _entries(bundle: Resource) -> list[Any]:
    entries = bundle.get("entry", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise refuse(400, "structure", "Bundle.entry is a list of objects.", "Bundle.entry")
    return entries


def _read_action(entry: Mapping[str, Any], index: int) -> Action:
    at = f"Bundle.entry[{index}]"
    request = entry.get("request")
    if not isinstance(request, dict):
        raise refuse(400, "required", "The entry needs a request.", f"{at}.request")
    method, url = request.get("method"), request.get("url")
    if method not in {"GET", "POST", "PUT"}:
        raise refuse(400, "not-supported", "The method must be GET, POST or PUT.", f"{at}.request.method")
    form = TARGET.match(url) if isinstance(url, str) else None
    if form is None or not is_resource_type(form.group(1)):
        raise refuse(400, "value", "The url must be Type, Type/id or Type?search.", f"{at}.request.url")
    resource = None
    if method != "GET":
        resource = require_valid(entry.get("resource"), expected_type=form.group(1), at=f"{at}.resource")
    if method == "PUT" and not form.group(2) and not form.group(3):
        raise refuse(400, "value", "PUT needs Type/id or Type?search.", f"{at}.request.url")
    return Action(
        index=index,
        full_url=_text(entry, "fullUrl", at),
        method=method,
        resource_type=form.group(1),
        resource_id=form.group(2) or "",
        query=form.group(3) or "",
        resource=resource,
        if_none_exist=_text(request, "ifNoneExist", at) or None,
        if_match=_text(request, "ifMatch", at) or None,
    )


def _text(node: Mapping[str, Any], name: str, at: str) -> str:
    value = node.get(name, "")
    if not isinstance(value, str):
        raise refuse(400, "structure", "Text is needed.", f"{at}.{name}")
    return value


def transact(records: Records, bundle: Resource, *, base: str) -> Resource:
    """All or nothing: the caller's database transaction is rolled back when this raises Refusal.

    Ids are settled first (matches of ifNoneExist, conditional updates, new ids), then references are
    rewritten, then everything is written: POST, PUT, GET, so entries may point to each other freely.
    """
    actions = read_actions(bundle)
    _refuse_repeated(actions)
    known: dict[str, str] = {}
    settled: dict[int, Stored | str] = {}
    for action in actions:
        if action.method != "GET":
            settled[action.index] = _settle(records, action)
            if action.full_url:
                target = settled[action.index]
                reference = target.reference if isinstance(target, Stored) else f"{action.resource_type}/{target}"
                known[action.full_url] = reference
    responses: dict[int, Resource] = {}
    for method in ("POST", "PUT", "GET"):
        for action in (action for action in actions if action.method == method):
            with _placed(action):
                if method == "GET":
                    responses[action.index] = _answer_get(records, action, base)
                else:
                    stored = _write(records, action, settled[action.index], known)
                    responses[action.index] = _written(stored, base)
    # References may run forward, so their targets are looked for when everything is there.
    for action in actions:
        written = settled.get(action.index)
        if isinstance(written, str):
            with _placed(action):
                interactions.require_targets(records, records.require(action.resource_type, written).resource)
    return interactions.bundle("transaction-response", [responses[action.index] for action in actions])


def _refuse_repeated(actions: list[Action]) -> None:
    for name, keys in (
        ("fullUrl", [action.full_url for action in actions if action.full_url and action.method != "GET"]),
        ("request.url", [f"{a.resource_type}/{a.resource_id}" for a in actions if a.method == "PUT" and a.resource_id]),
    ):
        if len(set(keys)) != len(keys):
            raise refuse(400, "duplicate", f"Two entries have the same {name}.", f"Bundle.entry.{name}")


def _settle(records: Records, action: Action) -> Stored | str:
    """The existing resource that an entry means and leaves as it is, or the id that it will have."""
    with _placed(action):
        if action.method == "POST":
            condition = action.if_none_exist
            found = None if condition is None else interactions.match(records, action.resource_type, condition)
            return found if found is not None else _new_id()
        if action.resource_id:
            if action.if_match is not None:
                interactions.require_version(records.get(action.resource_type, action.resource_id), action.if_match)
            return action.resource_id
        found = interactions.match(records, action.resource_type, action.query)
        if found is None:
            return str((action.resource or {}).get("id") or _new_id())
        if action.if_match is not None:
            interactions.require_version(found, action.if_match)
        return str(found.resource["id"])


def _new_id() -> str:
    return str(uuid.uuid4())


def _write(records: Records, action: Action, target: Stored | str, known: Mapping[str, str]) -> Stored:
    if isinstance(target, Stored):
        return target
    resource: Resource = _relink(action.resource or {}, _with_relatives(known, action.full_url))
    _refuse_unresolved(records, resource, action)
    if action.resource_id and resource.get("id") != action.resource_id:
        raise refuse(400, "invalid", "The id in the body must be the id in the address.", "resource.id")
    return records.put({**_resolve_conditional(records, resource), "id": target}, method=action.method)


def _with_relatives(known: Mapping[str, str], full_url: str) -> dict[str, str]:
    """Under ``http://other/fhir/Patient/1`` a reference ``Encounter/2`` means that server's (bundle.html#references)."""
    absolute = re.match(r"\A(https?://.*)/[A-Za-z]+/[A-Za-z0-9\-.]+\Z", full_url)
    if absolute is None:
        return dict(known)
    root = f"{absolute.group(1)}/"
    return {**known, **{url.removeprefix(root): new for url, new in known.items() if url.startswith(root)}}


def _relink(node: Any, known: Mapping[str, str]) -> Any:
    if isinstance(node, list):
        return [_relink(item, known) for item in node]
    if isinstance(node, dict):
        return {
            key: known.get(value, value) if key in LINKING and isinstance(value, str) else _relink(value, known)
            for key, value in node.items()
        }
    return node


def _refuse_unresolved(records: Records, resource: Resource, action: Action) -> None:
    for reference, path in references_in(resource):
        if reference.startswith(("urn:uuid:", "urn:oid:")):
            place = f"{action.resource_type}.{path}"
            raise refuse(400, "not-found", "No entry of this Bundle has this fullUrl.", place)


def _resolve_conditional(records: Records, node: Any) -> Any:
    """``Patient?identifier=...`` as a reference becomes what it selects (http.html#trules)."""
    if isinstance(node, list):
        return [_resolve_conditional(records, item) for item in node]
    if not isinstance(node, dict):
        return node
    result = {key: _resolve_conditional(records, value) for key, value in node.items()}
    form = TARGET.match(node["reference"]) if isinstance(node.get("reference"), str) else None
    if form is not None and form.group(3) and is_resource_type(form.group(1)):
        found = interactions.match(records, form.group(1), form.group(3))
        if found is None:
            raise refuse(412, "not-found", "The conditional reference selects nothing.", "reference")
        result["reference"] = found.reference
    return result


def _answer_get(records: Records, action: Action, base: str) -> Resource:
    if action.resource_id:
        stored = records.require(action.resource_type, action.resource_id)
        return {"resource": stored.resource, "response": {"status": "200 OK", "etag": stored.etag}}
    pairs = parse_qsl(action.query, keep_blank_values=True)
    query = read_query(action.resource_type, pairs, bases=records.bases)
    return {"resource": interactions.searchset(records, query, base=base), "response": {"status": "200 OK"}}


def _written(stored: Stored, base: str) -> Resource:
    return {
        "fullUrl": f"{base}/{stored.reference}",
        "resource": stored.resource,
        "response": {
            "status": REASONS[201 if stored.created else 200],
            "location": f"{base}/{stored.reference}/_history/{stored.version}",
            "etag": stored.etag,
            "lastModified": stored.resource["meta"]["lastUpdated"],
        },
    }


@contextmanager
def _placed(action: Action) -> Iterator[None]:
    """Says in the expressions of a Refusal which entry it speaks of."""
    try:
        yield
    except Refusal as refusal:
        issues = [replace(issue, expression=_place(action, issue.expression)) for issue in refusal.issues]
        raise Refusal(refusal.status, *issues, headers=refusal.headers) from None


def _place(action: Action, expression: str) -> str:
    if expression.startswith("Bundle."):
        return expression
    if expression.startswith(f"{action.resource_type}."):
        return f"{action.at}.resource{expression.removeprefix(action.resource_type)}"
    return f"{action.at}.request"


def run_batch(begin: Callable[[], AbstractContextManager[Records]], bundle: Resource, *, base: str) -> Resource:
    """Each entry for itself; a failed one has its OperationOutcome in its response."""
    entries: list[Resource] = []
    for index, entry in enumerate(_entries(bundle)):
        try:
            action = _read_action(entry, index)
            with begin() as records:
                entries.append(_run_one(records, action, base))
        except Refusal as refusal:
            outcome = operation_outcome(refusal.issues)
            entries.append({"response": {"status": str(refusal.status), "outcome": outcome}})
    return interactions.bundle("batch-response", entries)


def _run_one(records: Records, action: Action, base: str) -> Resource:
    if action.method == "GET":
        return _answer_get(records, action, base)
    target = _settle(records, action)
    stored = _write(records, action, target, {})
    if isinstance(target, str):
        interactions.require_targets(records, stored.resource)
    return _written(stored, base)


def load_chart(records: Records, bundle: Resource, *, base: str) -> Resource:
    """Every resource of a collection under its own id (or a new one), all or nothing."""
    entries = list(_loadable(bundle))
    known = {
        full_url: f"{resource['resourceType']}/{resource['id']}"
        for full_url, resource in entries
        if full_url.startswith("urn:")
    }
    stored = [records.put(_relink(resource, known), method="PUT") for _, resource in entries]
    return interactions.bundle("transaction-response", [_written(each, base) for each in stored])


def _loadable(bundle: Resource) -> Iterator[tuple[str, Resource]]:
    for index, entry in enumerate(_entries(bundle)):
        at = f"Bundle.entry[{index}]"
        resource = require_valid(entry.get("resource"), at=f"{at}.resource")
        if "id" in resource and not ID.match(resource["id"]):
            raise refuse(422, "value", "An id is 1 to 64 letters, digits, hyphens and dots.", f"{at}.resource.id")
        yield _text(entry, "fullUrl", at), resource if "id" in resource else {**resource, "id": _new_id()}
