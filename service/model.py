"""The nouns: facts, letters, findings, cases, steps. Frozen, keyword-only, no behaviour beyond a look-up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

Lang = Literal["de", "en"]


# ---------------------------------------------------------------- chart


class FactType(StrEnum):
    """What kind of value a handle points to; decides how it is displayed, prompted and verified."""

    NAME = "name"
    IDENTIFIER = "identifier"
    DATE = "date"  # ISO 8601, also 2026-02 or 2026 where the source is no more precise
    TIME = "time"  # HH:MM
    AGE = "age"  # years, at discharge
    SEX = "sex"  # female | male | other | unknown (FHIR administrative-gender)
    SALUTATION = "salutation"  # value is the sex it was derived from
    ICD10 = "icd10"
    TNM = "tnm"  # with prefix: cT2, pN1a
    STAGE = "stage"
    GRADING = "grading"  # G1 .. G4
    LATERALITY = "laterality"  # left | right | bilateral
    DOSE = "dose"  # Gy, total for one volume
    DOSE_PER_FRACTION = "dose_per_fraction"  # Gy
    FRACTIONS = "fractions"
    INTENT = "intent"  # curative | palliative | adjuvant | neoadjuvant | ...
    STATUS = "status"  # completed | stopped | in-progress | ...
    DRUG = "drug"
    DRUG_DOSE = "drug_dose"
    CYCLES = "cycles"
    SCHEDULE = "schedule"  # free text or 1-0-1
    LAB = "lab"
    UNIT = "unit"
    GRADE = "grade"  # CTCAE 1 .. 5
    PERFORMANCE = "performance"
    ALLERGY = "allergy"
    TERM = "term"  # a coded word: site, histology, toxicity term, procedure, diagnosis name
    TEXT = "text"  # free words of the source


class Importance(StrEnum):
    """How loudly an omission is told (DESIGN section 4, table of findings)."""

    HIGH = "high"  # omitted -> warn
    NORMAL = "normal"  # omitted -> info
    LOW = "low"  # may be left out silently; stands in the ledger as left out


@dataclass(frozen=True, kw_only=True)
class Display:
    """A value as a letter writes it."""

    de: str
    en: str

    def in_(self, lang: Lang) -> str:
        return self.de if lang == "de" else self.en


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One value of the chart, with the place it came from.

    ``value`` is canonical (ISO dates, decimal point, codes); ``unit`` is UCUM. ``source`` reads
    ``Type/id#FHIRPath`` or ``MSH-10#SEG[n]-field[rep].component``. ``code``/``system`` keep the
    coding behind a display word (ATC, SNOMED CT, OPS), for the checks.
    """

    handle: str
    type: FactType
    value: str
    display: Display
    source: str
    unit: str | None = None
    importance: Importance = Importance.NORMAL
    code: str | None = None
    system: str | None = None


@dataclass(frozen=True, kw_only=True)
class ChartConflict:
    """Two sources that disagree about one handle; kept, shown, never settled silently."""

    handle: str
    values: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """The ordered facts of one visit. Handles are unique."""

    facts: tuple[Fact, ...]
    conflicts: tuple[ChartConflict, ...] = ()
    warnings: tuple[str, ...] = ()

    def get(self, handle: str) -> Fact | None:
        return next((fact for fact in self.facts if fact.handle == handle), None)


IDENTIFYING = frozenset(
    {
        "patient.name",
        "patient.family",
        "patient.given",
        "patient.birth_date",
        "patient.id",
        "visit.number",
        "visit.physician",
    }
)
"""Handles whose value the model never sees, in prompt or training data (DESIGN section 1, privacy)."""


# ---------------------------------------------------------------- letter


@dataclass(frozen=True, kw_only=True)
class WriterInfo:
    """Who wrote a draft: SHA-256 digests of base, LoRA adapter, prompt version, handle version."""

    base: str
    lora: str
    prompt: str
    handles: str
    tokens: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class RawLetter:
    """What the model wrote: text with ``[[handle]]`` or ``[[handle:form]]``."""

    raw: str
    lang: Lang
    writer: WriterInfo


@dataclass(frozen=True, kw_only=True)
class Span:
    """``text[start:end]`` (Unicode code points) is the value of ``handle``."""

    start: int
    end: int
    handle: str
    source: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A letter with its values filled in. An unresolvable handle is a visible blank."""

    lang: Lang
    raw: str
    text: str
    spans: tuple[Span, ...]
    writer: WriterInfo | None = None


class FindingKind(StrEnum):
    CONTRADICTED = "contradicted"
    UNSUPPORTED = "unsupported"
    OMITTED = "omitted"
    ARITHMETIC = "arithmetic"


class Severity(StrEnum):
    BLOCK = "block"
    WARN = "warn"
    INFO = "info"


@dataclass(frozen=True, kw_only=True)
class ChartRef:
    """The fact a finding speaks of."""

    handle: str
    value: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing to look at. ``span`` is tight; an omission has none and names the fact in ``chart``.

    ``type`` is one of the contract's words: dose, fractions, date, icd10, tnm, stage, drug,
    drug_dose, lab, grade, laterality, age, sex, identifier, negation, appointment, sentence; for
    an omission of any other fact, its fact type.
    """

    kind: FindingKind
    type: str
    span: tuple[int, int] | None
    text: str
    severity: Severity
    chart: ChartRef | None
    message: Display


@dataclass(frozen=True, kw_only=True)
class Verification:
    """The result of checking one text against one chart."""

    verdict: Literal["blocked", "flagged", "clean"]
    findings: tuple[Finding, ...]
    supported: tuple[Span, ...]
    stated: int
    left_out: int
    missing: int


# ---------------------------------------------------------------- intake


class Event(StrEnum):
    """What a message means for its case."""

    ADMIT = "admit"
    DISCHARGE = "discharge"
    UPDATE = "update"
    RESULT = "result"
    CANCEL_DISCHARGE = "cancel_discharge"
    IGNORED = "ignored"


@dataclass(frozen=True, kw_only=True)
class AckError:
    """HL7 table 0357 code, location (``MSH-10``), and a sentence for the interface engineer."""

    code: str
    location: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Ack:
    """The answer to a message; ``code`` is None where none may be sent."""

    mode: Literal["original", "enhanced"]
    code: str | None
    error: AckError | None = None


@dataclass(frozen=True, kw_only=True)
class Fields:
    """What intake read, for the dry run and the message browser. Empty string: not in the message."""

    patient_id: str = ""
    visit: str = ""
    event_time: str = ""
    family: str = ""
    given: str = ""
    birth_date: str = ""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One message or resource understood.

    ``case_key`` is ``authority|visit`` (or ``authority|patient|admission time`` with a warning), the
    key under which ADT and FHIR meet; None where the message belongs to no visit.
    ``event_time`` is ISO 8601 in UTC, or empty.
    """

    control_id: str
    type: str
    event: Event
    case_key: str | None
    event_time: str
    fields: Fields
    starts_letter: bool
    ack: Ack
    warnings: tuple[str, ...] = ()


# ---------------------------------------------------------------- journey


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
    """Received bytes as kept. ``channel``: mllp | fhir. ``state``: stored | understood | refused."""

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


# ---------------------------------------------------------------- delivery, review, signature


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
