"""Delivery to the EHR, review, signature, audit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from service.model.chart import Lang
from service.model.letter import WriterInfo


@dataclass(frozen=True, kw_only=True)
class DraftDocument:
    """What goes into the EHR's inbox. ``key`` is the idempotency key: ``<case id>.<generation>``.

    ``patient_ref``/``encounter_ref``/``owner_ref`` are references at the EHR ("Patient/1"), empty
    where unknown. ``review_url`` is the launch address of the review page.
    """

    key: str
    case_id: str
    title: str
    text: str
    lang: Lang
    created_at: datetime
    patient_ref: str
    encounter_ref: str
    owner_ref: str
    review_url: str
    writer: WriterInfo
    findings_block: int
    findings_warn: int


@dataclass(frozen=True, kw_only=True)
class Posted:
    """Where a document lies at the EHR: references such as ``DocumentReference/17``."""

    document: str
    task: str
    provenance: str = ""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a physician decided about one finding (kept by the finding's key)."""

    action: Literal["accepted", "dismissed"]
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Review:
    """A letter under review. ``revision`` grows with every save; a save names the one it was based on."""

    case_id: str
    generation: int
    revision: int
    text: str
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    reviewer: str = ""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """Who signed which text. ``digest``: SHA-256 of the text's UTF-8 bytes, as shown before signing."""

    case_id: str
    generation: int
    revision: int
    signer: str
    signed_at: datetime
    digest: str


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """One line of the audit trail; ``digest`` chains over ``previous``. No PHI."""

    seq: int
    at: datetime
    actor: str
    action: str
    case_id: str | None
    detail: str
    previous: str
    digest: str
