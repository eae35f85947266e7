"""What a draft, its task and their provenance look like in FHIR R4. Pure: values in, resources out.

DocumentReference (documentreference.html), Task after SMART's ``task-ehr-launch`` profile (SMART App
Launch 2.2, task-launch.html), Device and Provenance (provenance.html), and the security label AIAST
of HL7's v3 ObservationValue, as HL7's guide "AI Transparency on FHIR" uses it.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.model import DraftDocument, Lang, Signature, WriterInfo
from service.ports import Resource

DOCUMENT_SYSTEM = "urn:epikrise:document"
TASK_SYSTEM = "urn:epikrise:task"
DEVICE_SYSTEM = "urn:epikrise:writer"
PROVENANCE_SYSTEM = "urn:epikrise:provenance"
SIGNER_SYSTEM = "urn:epikrise:signer"
FINDINGS_SYSTEM = "urn:epikrise:findings"

SMART_CODES = "http://hl7.org/fhir/smart-app-launch/CodeSystem/smart-codes"
TASK_PROFILE = "http://hl7.org/fhir/smart-app-launch/StructureDefinition/task-ehr-launch"
OBSERVATION_VALUE = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"

AI_ASSERTED = {"system": OBSERVATION_VALUE, "code": "AIAST", "display": "Artificial Intelligence asserted"}
CLINICIAN_ASSERTED = {"system": OBSERVATION_VALUE, "code": "CLINAST", "display": "clinician asserted"}

WORDS: Mapping[Lang, Mapping[str, str]] = {
    "de": {
        "task": "Entwurf des Arztbriefs prüfen und freigeben",
        "block": "Blockierende Prüfhinweise",
        "warn": "Weitere Prüfhinweise",
    },
    "en": {
        "task": "Review and sign the drafted letter",
        "block": "Blocking findings",
        "warn": "Further findings",
    },
}


@dataclass(frozen=True, kw_only=True)
class DocumentType:
    """What the EHR files the letter under; LOINC 18842-5 unless the site says otherwise."""

    system: str = "http://loinc.org"
    code: str = "18842-5"
    display: str = "Discharge summary"


def document_of(draft: DraftDocument, *, device: str, document_type: DocumentType, replaces: str = "") -> Resource:
    """The preliminary DocumentReference; ``replaces`` is the former one's reference."""
    identifier = {"system": DOCUMENT_SYSTEM, "value": draft.key}
    document: Resource = {
        "resourceType": "DocumentReference",
        "meta": {"security": [AI_ASSERTED]},
        "language": draft.lang,
        "masterIdentifier": identifier,
        "identifier": [identifier],
        "status": "current",
        "docStatus": "preliminary",
        "type": {"coding": [_coding(document_type.system, document_type.code, document_type.display)]},
        "category": [
            {
                "coding": [
                    _coding(
                        "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
                        "clinical-note",
                        "Clinical Note",
                    )
                ]
            }
        ],
        "date": instant(draft.created_at),
        "author": [{"reference": device}],
        "description": draft.title,
        "content": [{"attachment": attachment(draft.text, title=draft.title, lang=draft.lang, at=draft.created_at)}],
    }
    if draft.patient_ref:
        document["subject"] = {"reference": draft.patient_ref}
    if draft.encounter_ref:
        document["context"] = {"encounter": [{"reference": draft.encounter_ref}]}
    if replaces:
        document["relatesTo"] = [{"code": "replaces", "target": {"reference": replaces}}]
    return document


def task_of(draft: DraftDocument, *, document: str, device: str) -> Resource:
    """The Task that asks the responsible physician to review ``document``."""
    words = WORDS[draft.lang]
    task: Resource = {
        "resourceType": "Task",
        "meta": {"profile": [TASK_PROFILE]},
        "identifier": [{"system": TASK_SYSTEM, "value": draft.key}],
        "status": "requested",
        "intent": "order",
        "priority": "routine",
        "code": {
            "coding": [_coding(SMART_CODES, "launch-app-ehr", "Launch application using the SMART EHR launch")],
            "text": words["task"],
        },
        "description": words["task"],
        "focus": {"reference": document},
        "authoredOn": instant(draft.created_at),
        "requester": {"reference": device},
        "input": [
            {
                "type": {"coding": [_coding(SMART_CODES, "smartonfhir-application", "SMART on FHIR application URL.")]},
                "valueUrl": draft.review_url,
            },
            _count("block", words["block"], draft.findings_block),
            _count("warn", words["warn"], draft.findings_warn),
        ],
    }
    for element, reference in (
        ("for", draft.patient_ref),
        ("encounter", draft.encounter_ref),
        ("owner", draft.owner_ref),
    ):
        if reference:
            task[element] = {"reference": reference}
    return task


def device_of(writer: WriterInfo) -> Resource:
    """The software that wrote: one Device for each combination of weights, prompt and handles."""
    digests = {"base": writer.base, "lora": writer.lora, "prompt": writer.prompt, "handles": writer.handles}
    return {
        "resourceType": "Device",
        "identifier": [{"system": DEVICE_SYSTEM, "value": device_key(writer)}],
        "status": "active",
        "manufacturer": "Epikrise",
        "deviceName": [{"name": "Epikrise", "type": "manufacturer-name"}],
        "type": {"text": "Large language model that drafts physician letters"},
        "version": [
            {"type": {"text": f"{part} (SHA-256)"}, "value": digest} for part, digest in digests.items() if digest
        ],
    }


def device_key(writer: WriterInfo) -> str:
    joined = "\n".join((writer.base, writer.lora, writer.prompt, writer.handles))
    return hashlib.sha256(joined.encode()).hexdigest()


def drafting_provenance(draft: DraftDocument, *, document: str, device: str) -> Resource:
    """Who made the draft, of what: the Device as assembler, the Encounter as source."""
    provenance: Resource = {
        "resourceType": "Provenance",
        "meta": {"tag": [provenance_tag(draft.key, "drafted")]},
        "target": [{"reference": document}],
        "recorded": instant(draft.created_at),
        "activity": {"coding": [_coding(OPERATION, "CREATE", "create")]},
        "agent": [{"type": {"coding": [_coding(PARTICIPANT, "assembler", "Assembler")]}, "who": {"reference": device}}],
    }
    if draft.encounter_ref:
        provenance["entity"] = [{"role": "source", "what": {"reference": draft.encounter_ref}}]
    return provenance


def signing_provenance(key: str, signature: Signature, *, document: str) -> Resource:
    """Who verified. The signature itself is not claimed to be a cryptographic one."""
    return {
        "resourceType": "Provenance",
        "meta": {"tag": [provenance_tag(key, "signed")]},
        "target": [{"reference": document}],
        "recorded": instant(signature.signed_at),
        "activity": {"coding": [_coding(OPERATION, "UPDATE", "revise")]},
        "agent": [
            {
                "type": {"coding": [_coding(PARTICIPANT, "verifier", "Verifier")]},
                "who": signer(signature),
            }
        ],
    }


def provenance_tag(key: str, act: str) -> Resource:
    """Provenance has no identifier in R4, so a tag makes its creation conditional."""
    return {"system": PROVENANCE_SYSTEM, "code": f"{key}.{act}"}


def finalized(document: Resource, *, text: str, signature: Signature) -> Resource:
    """The document as signed: final, authenticator, the signed text, and both labels: a machine
    drafted it, a clinician asserts it."""
    former = attachment_in(document)
    title = SUFFIX.sub("", str(former.get("title", document.get("description", ""))))
    lang: Lang = "en" if former.get("language") == "en" else "de"
    labels = [label for label in document.get("meta", {}).get("security", []) if label != CLINICIAN_ASSERTED]
    return {
        **document,
        "meta": {**document.get("meta", {}), "security": [*labels, CLINICIAN_ASSERTED]},
        "docStatus": "final",
        "date": instant(signature.signed_at),
        "description": title,
        "authenticator": signer(signature),
        "content": [{"attachment": attachment(text, title=title, lang=lang, at=signature.signed_at)}],
    }


SUFFIX = re.compile(r" \((?:Entwurf|draft)\)$")
"""What a draft's title ends in and a signed letter's does not."""


def signer(signature: Signature) -> Resource:
    """A reference where the signer is known at the EHR, else the signer's name under our own system."""
    if re.fullmatch(r"Practitioner(?:Role)?/[A-Za-z0-9\-.]{1,64}", signature.signer):
        return {"reference": signature.signer}
    return {
        "identifier": {"system": SIGNER_SYSTEM, "value": signature.signer},
        "type": "Practitioner",
        "display": signature.signer,
    }


def attachment(text: str, *, title: str, lang: Lang, at: datetime) -> Resource:
    body = text.encode()
    return {
        "contentType": "text/plain; charset=utf-8",
        "language": lang,
        "data": base64.b64encode(body).decode("ascii"),
        "size": len(body),
        # FHIR R4 wants SHA-1 here (datatypes.html#Attachment); it guards against damage, not malice.
        "hash": base64.b64encode(hashlib.sha1(body, usedforsecurity=False).digest()).decode("ascii"),
        "title": title,
        "creation": instant(at),
    }


def attachment_in(document: Resource) -> Resource:
    content = document.get("content") or [{}]
    found: Any = content[0].get("attachment", {})
    return found if isinstance(found, dict) else {}


def text_in(document: Resource) -> str:
    """The text of a document of ours."""
    return base64.b64decode(attachment_in(document).get("data", "")).decode()


def key_in(document: Resource) -> str:
    """Our key of a document of ours; ``""`` of any other."""
    return next(
        (
            str(each.get("value", ""))
            for each in document.get("identifier", [])
            if each.get("system") == DOCUMENT_SYSTEM
        ),
        "",
    )


def instant(at: datetime) -> str:
    """FHIR's instant, with offset; a naive time would be ambiguous at the other side."""
    return (at if at.tzinfo else at.astimezone()).isoformat(timespec="milliseconds")


def _coding(system: str, code: str, display: str) -> Resource:
    return {"system": system, "code": code, "display": display}


def _count(code: str, text: str, number: int) -> Resource:
    return {"type": {"coding": [{"system": FINDINGS_SYSTEM, "code": code}], "text": text}, "valueUnsignedInt": number}
