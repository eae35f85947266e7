"""FHIR messages (R4, messaging.html): a Bundle whose first entry is a MessageHeader, and the answer to it."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from service.intake.resource import member, members, text
from service.model import Event

_V2_EVENT: Final = "http://terminology.hl7.org/CodeSystem/v2-0003"
_EVENTS: Final = {
    "A01": Event.ADMIT,
    "A03": Event.DISCHARGE,
    "A11": Event.CANCEL_ADMIT,
    "A13": Event.CANCEL_DISCHARGE,
}
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_LONGEST_SENDER: Final = 199


@dataclass(frozen=True, kw_only=True)
class MessageHeader:
    """``identifier``: ``MessageHeader.id``, which an answer names. ``event``: of table 0003 where eventCoding is of
    it, for a sender may tell of a discharge before its Encounter says so; else the Encounter's status decides.
    ``source`` is where the answer goes; ``sender`` names it in the store."""

    identifier: str
    event_coding: Mapping[str, Any]
    event_uri: str
    event: Event | None
    source: str
    sender: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """``code``: http://hl7.org/fhir/issue-type; ``status``: HTTP's; ``warnings`` stand beside a success;
    ``expression``: FHIRPath of the element at fault."""

    code: str
    text: str
    status: int
    warnings: tuple[str, ...] = ()
    expression: str = ""


def message_header(document: object) -> MessageHeader | None:
    """The header of a message Bundle; None for everything else, and for an answer, which is never answered."""
    if not isinstance(document, dict) or (document.get("resourceType"), document.get("type")) != ("Bundle", "message"):
        return None
    first = next(members(document, "entry"), {})
    header = member(first, "resource")
    if header.get("resourceType") != "MessageHeader" or isinstance(header.get("response"), dict):
        return None
    own = text(header.get("id"))
    coding = member(header, "eventCoding")
    code = text(coding.get("code")).removeprefix("ADT_").removeprefix("ADT^")
    source = member(header, "source")
    address = text(source.get("endpoint"))
    return MessageHeader(
        identifier=own if _ID.match(own) else text(first.get("fullUrl")).removeprefix("urn:uuid:")[:64],
        event_coding={name: coding[name] for name in ("system", "code") if isinstance(coding.get(name), str)},
        event_uri=text(header.get("eventUri")),
        event=_EVENTS.get(code) if text(coding.get("system")) == _V2_EVENT else None,
        source=address,
        sender=(text(source.get("name")) or address or "fhir")[:_LONGEST_SENDER],
    )


def operation_outcome(answer: Answer) -> dict[str, Any]:
    """The answer to everything that is no message; also what a message's answer points to."""
    severity = "information" if answer.status == 200 else "error"
    issues: list[dict[str, Any]] = [{"severity": severity, "code": answer.code, "diagnostics": answer.text}]
    if answer.expression:
        issues[0]["expression"] = [answer.expression]
    issues += [{"severity": "warning", "code": "business-rule", "diagnostics": each} for each in answer.warnings]
    return {"resourceType": "OperationOutcome", "issue": issues}


def response_to(header: MessageHeader, answer: Answer, *, now: datetime) -> dict[str, Any]:
    """A message Bundle: MessageHeader with ``response``, and the OperationOutcome that it names.

    ``code`` ok: it was kept. transient-error: send it again, it is not kept. fatal-error: sending it again
    changes nothing.
    """
    code: Literal["ok", "transient-error", "fatal-error"] = "fatal-error"
    if answer.status == 200:
        code = "ok"
    elif answer.status == 503:
        code = "transient-error"
    own, details = str(uuid.uuid4()), str(uuid.uuid4())
    answered: dict[str, Any] = {
        "resourceType": "MessageHeader",
        "id": own,
        "source": {"name": "Epikrise", "endpoint": "urn:epikrise"},
        "response": {
            "identifier": header.identifier or "unknown",
            "code": code,
            "details": {"reference": f"urn:uuid:{details}"},
        },
    }
    if header.event_coding:
        answered["eventCoding"] = dict(header.event_coding)
    else:
        answered["eventUri"] = header.event_uri or "urn:epikrise:unnamed"
    if header.source:
        answered["destination"] = [{"endpoint": header.source}]
    outcome = {**operation_outcome(answer), "id": details}
    return {
        "resourceType": "Bundle",
        "id": str(uuid.uuid4()),
        "type": "message",
        "timestamp": now.isoformat(timespec="seconds"),
        "entry": [
            {"fullUrl": f"urn:uuid:{own}", "resource": answered},
            {"fullUrl": f"urn:uuid:{details}", "resource": outcome},
        ],
    }
