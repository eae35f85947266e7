"""Create, update and their conditions (FHIR R4, http.html#create, #update, #ccreate, #cond-update)."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from adapters.sandbox.outcome import Issue, Refusal, Resource, refuse
from adapters.sandbox.search import Query, read_query
from adapters.sandbox.search_parameters import local_target
from adapters.sandbox.storage import Records, Stored, references_in
from adapters.sandbox.validation import ID, is_resource_type

ETAG = re.compile(r'\A(?:W/)?"([^"]*)"\Z')

WORKFLOW = frozenset({"DocumentReference", "Task", "Provenance"})
"""Types whose references must point to something that is here. Charts come from elsewhere in pieces
and may point to what was not sent; a document or a task that points nowhere is a writer's mistake."""


def create(records: Records, resource: Resource, *, if_none_exist: str | None = None) -> Stored:
    """Raises Refusal 412 where the condition matches several. A single match is returned as it is."""
    if if_none_exist is not None:
        found = match(records, resource["resourceType"], if_none_exist)
        if found is not None:
            return found
    require_targets(records, resource)
    return records.put({key: value for key, value in resource.items() if key != "id"}, method="POST")


def update(records: Records, resource: Resource, resource_id: str, *, if_match: str | None = None) -> Stored:
    """Update, or create under the client's id. Raises Refusal 412 where If-Match names another version."""
    if not ID.match(resource_id):
        raise refuse(400, "value", "An id is 1 to 64 letters, digits, hyphens and dots.", "id")
    if resource.get("id") != resource_id:
        raise refuse(400, "invalid", "The id in the body must be the id in the address.", "id")
    if if_match is not None:
        require_version(records.get(resource["resourceType"], resource_id), if_match)
    require_targets(records, resource)
    return records.put(resource, method="PUT")


def conditional_update(records: Records, resource: Resource, condition: str, *, if_match: str | None = None) -> Stored:
    """PUT to a search: no match creates, one updates, several are Refusal 412."""
    found = match(records, resource["resourceType"], condition)
    if found is None:
        if "id" in resource:
            return update(records, resource, resource["id"], if_match=if_match)
        return create(records, resource)
    if resource.get("id", found.resource["id"]) != found.resource["id"]:
        raise refuse(400, "invalid", "The id in the body is not that of the match.", "id")
    return update(records, {**resource, "id": found.resource["id"]}, found.resource["id"], if_match=if_match)


def require_version(current: Stored | None, if_match: str) -> None:
    """Raises Refusal 412 unless ``If-Match`` names the current version (http.html#concurrency)."""
    form = ETAG.match(if_match.strip())
    if form is None:
        raise refuse(400, "value", 'If-Match has the form W/"version".', "If-Match")
    if current is None or form.group(1) != str(current.version):
        raise refuse(412, "conflict", "Another version is current.", "If-Match")


def match(records: Records, resource_type: str, condition: str) -> Stored | None:
    """The one resource that a condition selects. Raises Refusal 400 for none at all, 412 for several."""
    query = condition_query(records, resource_type, condition)
    total, page, _ = records.search(query)
    if total > 1:
        raise refuse(412, "multiple-matches", "The condition selects more than one resource.", resource_type)
    return page[0] if page else None


def condition_query(records: Records, resource_type: str, condition: str) -> Query:
    pairs = [(key, value) for key, value in parse_qsl(condition.lstrip("?"), keep_blank_values=True) if key]
    selecting = [pair for pair in pairs if not pair[0].startswith("_") or pair[0] in {"_id", "_tag"}]
    if not selecting:
        raise refuse(400, "required", "A condition needs a search parameter.", resource_type)
    return read_query(resource_type, selecting, bases=records.bases)


def require_targets(records: Records, resource: Resource) -> None:
    """Raises Refusal 400 for a reference of no known form, 422 for one that points nowhere (:data:`WORKFLOW`)."""
    name = resource["resourceType"]
    contained = {f"#{inner.get('id')}" for inner in resource.get("contained", []) if isinstance(inner, dict)}
    missing: list[Issue] = []
    for reference, path in references_in(resource):
        place = f"{name}.{path}"
        if reference.startswith("#"):
            if reference not in contained and reference != "#":
                missing.append(_nowhere(place))
            continue
        target = local_target(reference, records.bases)
        if target is None or not _well_formed(*target):
            raise refuse(400, "value", "A reference has the form Type/id, #id or an absolute address.", place)
        if name in WORKFLOW and target[0] and records.get(target[0], target[1]) is None:
            missing.append(_nowhere(place))
    if missing:
        raise Refusal(422, *missing)


def _well_formed(resource_type: str, rest: str) -> bool:
    if resource_type:
        return is_resource_type(resource_type) and ID.match(rest) is not None
    return re.match(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+\Z", rest) is not None


def _nowhere(place: str) -> Issue:
    return Issue(code="not-found", diagnostics="The reference points to nothing that is here.", expression=place)


def searchset(records: Records, query: Query, *, base: str) -> Resource:
    """A searchset Bundle of one page with self and next links."""
    total, page, more = records.search(query)
    address = f"{base}/{query.resource_type}"
    links = [{"relation": "self", "url": f"{address}?{urlencode(query.kept)}" if query.kept else address}]
    if more:
        following = [*query.kept, ("_after", str(page[-1].seq))]
        links.append({"relation": "next", "url": f"{address}?{urlencode(following)}"})
    return bundle("searchset", [found_entry(stored, base) for stored in page], total=total, links=links)


def bundle(kind: str, entries: Sequence[Resource], *, total: int | None = None, links: Any = None) -> Resource:
    result: Resource = {"resourceType": "Bundle", "type": kind}
    if total is not None:
        result["total"] = total
    if links:
        result["link"] = links
    if entries:  # an empty JSON array is not allowed in FHIR
        result["entry"] = list(entries)
    return result


def found_entry(stored: Stored, base: str) -> Resource:
    return {"fullUrl": f"{base}/{stored.reference}", "resource": stored.resource, "search": {"mode": "match"}}
