"""Cases, their steps, the messages kept for them, and the health of the stages."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from service.model.chart import Lang
from service.model.message import Event
from service.model.starting import Start


class CaseState(StrEnum):
    OPEN = "open"
    DISCHARGED = "discharged"
    DRAFTING = "drafting"
    DRAFTED = "drafted"
    IN_INBOX = "in_inbox"
    IN_REVIEW = "in_review"
    SIGNED = "signed"
    HELD = "held"
    WITHDRAWN = "withdrawn"
    FAILED = "failed"


class DeliveryState(StrEnum):
    NONE = "none"
    WAITING = "waiting"
    SENT = "sent"
    AMBIGUOUS = "ambiguous"
    CONFIRMED = "confirmed"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One visit. ``generation`` counts drafts; ``version`` guards against lost updates.

    ``key`` is the case key of :class:`Reading`; it is PHI and lies encrypted in the store, found by
    a keyed hash. ``held_from`` is the state a held case returns to on release.
    """

    id: str
    key: str
    state: CaseState
    delivery: DeliveryState
    generation: int
    version: int
    lang: Lang
    created_at: datetime
    updated_at: datetime
    withdrawn_by: Literal["ehr", "physician", "operator"] | None = None
    held_from: CaseState | None = None
    notices: tuple[str, ...] = ()


class StepState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    FAILED = "failed"  # will be tried again at not_before
    DEAD = "dead"  # a person must replay or drop it
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One row of work. ``token`` is the fencing token of the newest claim; ``subject`` is the message
    id for step ``read``, else empty."""

    id: str
    name: str
    queue: str
    case_id: str | None
    subject: str
    generation: int
    state: StepState
    attempts: int
    token: int
    created_at: datetime
    not_before: datetime
    lease_until: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error_code: str | None = None
    error_text: str | None = None


@dataclass(frozen=True, kw_only=True)
class StoredMessage:
    """Received bytes as kept. ``channel``: mllp | fhir. ``state``: stored | understood | refused.

    ``start``: the letter that it starts, as decided when it was read."""

    id: str
    received_at: datetime
    channel: str
    sender: str
    control_id: str
    digest: str
    body: bytes
    state: str
    ack_code: str | None
    event: Event | None
    event_time: str
    case_id: str | None
    error_code: str | None = None
    start: Start | None = None


@dataclass(frozen=True, kw_only=True)
class StageHealth:
    """One row of the operations page."""

    stage: str
    waiting: int
    running: int
    failed: int
    dead: int
    oldest_age_seconds: float | None
    paused: bool = False
