"""The EHR's inbox over FHIR R4: post, find, finalize, withdraw, each of them safe to repeat.

Every creation is conditional on an identifier (or tag) made of the draft's key, every update on the
version that was read, and all of one call travels in one transaction Bundle. Where the server has no
transactions the same requests go one by one, in an order in which nobody is asked to sign what is
not there: the Task comes after its document, and the former draft goes when the new one stands.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from adapters.fhir.client import FhirClient, Parameters, Written, escaped, members
from adapters.fhir.documents import (
    DEVICE_SYSTEM,
    DOCUMENT_SYSTEM,
    PROVENANCE_SYSTEM,
    TASK_SYSTEM,
    DocumentType,
    device_key,
    device_of,
    document_of,
    drafting_provenance,
    finalized,
    key_in,
    provenance_tag,
    signing_provenance,
    task_of,
    text_in,
)
from service.errors import EhrAmbiguous, EhrRefused
from service.model import DraftDocument, Posted, Signature
from service.ports import Resource

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:epikrise:document")
ROUNDS = 3
"""How often an update is prepared anew when somebody else changed the resource in the meantime."""


@dataclass(frozen=True, kw_only=True)
class Creation:
    """A conditional create; ``full_url`` is how other requests of the same call refer to it."""

    full_url: str
    condition: Parameters
    resource: Resource


@dataclass(frozen=True, kw_only=True)
class Change:
    """An update of a resource as it was read, onto that version only."""

    resource: Resource


Request = Creation | Change


class FhirInbox:
    """Implements :class:`service.ports.Inbox`."""

    def __init__(self, client: FhirClient, *, document_type: DocumentType | None = None) -> None:
        self._client = client
        self._document_type = document_type or DocumentType()
        self._transactions: bool | None = None

    def post(self, draft: DraftDocument, *, replaces: Posted | None = None) -> Posted:
        """See :class:`service.ports.Inbox`. Raises EhrRefused where the former document is signed."""
        written = self._carry_out(lambda: self._posting(draft, replaces))
        device, document, provenance, task = (each.reference for each in written[:4])
        if not (document and task and device):
            # The server stored it and did not say where.
            found = self.find(draft.key)
            if found is None or not found.task:
                raise EhrAmbiguous("the transaction's answer names no document and none is found")
            return found
        return Posted(document=document, task=task, provenance=provenance)

    def find(self, key: str) -> Posted | None:
        """See :class:`service.ports.Inbox`. Raises EhrRefused where several documents have the key."""
        document = self._one("DocumentReference", (("identifier", f"{DOCUMENT_SYSTEM}|{escaped(key)}"),))
        if document is None:
            return None
        task = self._one("Task", (("identifier", f"{TASK_SYSTEM}|{escaped(key)}"),))
        provenance = self._one("Provenance", _tagged(key, "drafted"))
        return Posted(document=document, task=task or "", provenance=provenance or "")

    def finalize(self, posted: Posted, *, text: str, signature: Signature) -> None:
        """See :class:`service.ports.Inbox`. Raises EhrRefused where it is withdrawn, superseded, or
        signed with another text."""
        self._carry_out(lambda: self._finalizing(posted, text, signature))

    def withdraw(self, posted: Posted, *, reason: str) -> None:
        """See :class:`service.ports.Inbox`. Raises EhrRefused where the document is signed: nothing
        signed is withdrawn."""
        self._carry_out(lambda: self._withdrawing(posted, reason))

    # ------------------------------------------------------------ what each call asks for

    def _posting(self, draft: DraftDocument, replaces: Posted | None) -> list[Request]:
        urls = {part: f"urn:uuid:{uuid.uuid5(NAMESPACE, f'{draft.key}/{part}')}" for part in PARTS}
        former = self._standing(replaces.document) if replaces is not None else None
        # A document that the EHR deleted may not be referred to any more.
        related = replaces.document if replaces is not None and former is not None else ""
        document = document_of(draft, device=urls["device"], document_type=self._document_type, replaces=related)
        requests: list[Request] = [
            Creation(
                full_url=urls["device"],
                condition=(("identifier", f"{DEVICE_SYSTEM}|{device_key(draft.writer)}"),),
                resource=device_of(draft.writer),
            ),
            Creation(
                full_url=urls["document"],
                condition=(("identifier", f"{DOCUMENT_SYSTEM}|{escaped(draft.key)}"),),
                resource=document,
            ),
            Creation(
                full_url=urls["provenance"],
                condition=_tagged(draft.key, "drafted"),
                resource=drafting_provenance(draft, document=urls["document"], device=urls["device"]),
            ),
            Creation(
                full_url=urls["task"],
                condition=(("identifier", f"{TASK_SYSTEM}|{escaped(draft.key)}"),),
                resource=task_of(draft, document=urls["document"], device=urls["device"]),
            ),
        ]
        if former is not None:
            _require_unsigned(former)
            if former.get("status") == "current":
                requests.append(Change(resource={**former, "status": "superseded"}))
        if replaces is not None:
            requests += self._task_to("cancelled", replaces, reason="replaced by a newer draft")
        return requests

    def _finalizing(self, posted: Posted, text: str, signature: Signature) -> list[Request]:
        requests: list[Request] = []
        document = self._client.read(posted.document)
        if document.get("status") != "current":
            raise EhrRefused(f"the document's status is {document.get('status')}", issues=("conflict",))
        if document.get("docStatus") != "final":
            requests.append(Change(resource=finalized(document, text=text, signature=signature)))
        elif text_in(document) != text:
            raise EhrRefused("the document is final with another text", issues=("conflict",))
        key = key_in(document)
        requests.append(
            Creation(
                full_url=f"urn:uuid:{uuid.uuid5(NAMESPACE, f'{key}/signed')}",
                condition=_tagged(key, "signed"),
                resource=signing_provenance(key, signature, document=posted.document),
            )
        )
        return requests + self._task_to("completed", posted)

    def _withdrawing(self, posted: Posted, reason: str) -> list[Request]:
        requests = self._task_to("cancelled", posted, reason=reason)
        document = self._standing(posted.document)
        if document is None:
            return requests
        _require_unsigned(document)
        if document.get("status") != "entered-in-error" or document.get("docStatus") != "entered-in-error":
            gone = {**document, "status": "entered-in-error", "docStatus": "entered-in-error"}
            requests.append(Change(resource=gone))
        return requests

    def _task_to(self, status: str, posted: Posted, *, reason: str = "") -> list[Request]:
        if not posted.task:
            return []
        task = self._standing(posted.task)
        if task is None or task.get("status") == status:
            return []
        change: Resource = {**task, "status": status}
        if reason:
            change["statusReason"] = {"text": reason}
        return [Change(resource=change)]

    def _standing(self, reference: str) -> Resource | None:
        """As it is now; None where the EHR deleted it, which leaves nothing to supersede, cancel or withdraw."""
        try:
            return self._client.read(reference)
        except EhrRefused as refusal:
            if refusal.status == 410:
                return None
            raise

    # ------------------------------------------------------------ how it is sent

    def _carry_out(self, prepare: Callable[[], Sequence[Request]]) -> list[Written]:
        """Prepared anew and sent again where a version was stale: that refusal stored nothing."""
        rounds = 0
        while True:
            rounds += 1
            requests = prepare()
            try:
                return self._send(requests)
            except EhrRefused as refusal:
                if rounds == ROUNDS or not _stale(refusal, requests):
                    raise

    def _send(self, requests: Sequence[Request]) -> list[Written]:
        if not requests:
            return []
        if len(requests) > 1 and self._has_transactions():
            try:
                return self._client.transaction([_entry(request) for request in requests])
            except EhrRefused as refusal:
                if not _unsupported(refusal):
                    raise
        return self._one_by_one(requests)

    def _has_transactions(self) -> bool:
        if self._transactions is None:
            try:
                modes = members(self._client.capabilities(), "rest")
            except EhrRefused:
                return True  # a server that hides its capabilities may still have them
            system = [each.get("code") for mode in modes for each in members(mode, "interaction")]
            self._transactions = "transaction" in system
        return self._transactions

    def _one_by_one(self, requests: Sequence[Request]) -> list[Written]:
        known: dict[str, str] = {}
        written: list[Written] = []
        for request in requests:
            if isinstance(request, Change):
                written.append(self._client.update(request.resource))
                continue
            # Looked for first: a server that has no transactions may ignore If-None-Exist as well.
            name = request.resource["resourceType"]
            reference = self._one(name, request.condition)
            if reference is None:
                made = self._client.create(_relinked(request.resource, known), if_none_exist=request.condition)
            else:
                made = Written(reference=reference, resource=None, created=False)
            known[request.full_url] = made.reference
            written.append(made)
        return written

    def _one(self, resource_type: str, condition: Parameters) -> str | None:
        found = [
            each for each in self._client.search(resource_type, condition) if each.get("resourceType") == resource_type
        ]
        if len(found) > 1:
            raise EhrRefused(f"{resource_type}: more than one has this key", issues=("multiple-matches",))
        return f"{resource_type}/{found[0]['id']}" if found else None


PARTS = ("device", "document", "provenance", "task")


def _entry(request: Request) -> Resource:
    if isinstance(request, Creation):
        condition = "&".join(f"{name}={_quoted(value)}" for name, value in request.condition)
        name = request.resource["resourceType"]
        return {
            "fullUrl": request.full_url,
            "resource": request.resource,
            "request": {"method": "POST", "url": name, "ifNoneExist": condition},
        }
    reference = f"{request.resource['resourceType']}/{request.resource['id']}"
    sent: Resource = {"method": "PUT", "url": reference}
    version = request.resource.get("meta", {}).get("versionId")
    if version:
        sent["ifMatch"] = f'W/"{version}"'
    return {"resource": request.resource, "request": sent}


def _quoted(value: str) -> str:
    return quote(value, safe=":|")


def _tagged(key: str, act: str) -> Parameters:
    code = escaped(str(provenance_tag(key, act)["code"]))
    return (("_tag", f"{PROVENANCE_SYSTEM}|{code}"),)


def _relinked(node: Resource, known: dict[str, str]) -> Resource:
    def visit(value: object) -> object:
        if isinstance(value, dict):
            return {
                key: known.get(item, item) if key == "reference" and isinstance(item, str) else visit(item)
                for key, item in value.items()
            }
        return [visit(item) for item in value] if isinstance(value, list) else value

    return {key: visit(value) for key, value in node.items()}


def _stale(refusal: EhrRefused, requests: Sequence[Request]) -> bool:
    """Somebody else was quicker. A 412 to conditional creates alone means several matches: no use repeating."""
    changes = any(isinstance(request, Change) for request in requests)
    return refusal.status == 409 or (refusal.status == 412 and changes)


def _unsupported(refusal: EhrRefused) -> bool:
    return refusal.status in {405, 501} or "not-supported" in refusal.issues


def _require_unsigned(document: Resource) -> None:
    if document.get("docStatus") in {"final", "amended"}:
        raise EhrRefused("the document is signed already", issues=("conflict",))
