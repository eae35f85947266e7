"""What a message means."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple


class Event(StrEnum):
    """What a message means for its case."""

    ADMIT = "admit"
    TRANSFER = "transfer"
    DISCHARGE = "discharge"
    UPDATE = "update"
    RESULT = "result"
    CANCEL_ADMIT = "cancel_admit"
    CANCEL_TRANSFER = "cancel_transfer"
    CANCEL_DISCHARGE = "cancel_discharge"
    MERGE = "merge"  # two numbers, one patient
    CHANGE_VISIT = "change_visit"  # the visit has another number, or another patient
    ORDER = "order"
    MEDICATION = "medication"
    DOCUMENT = "document"
    CANCEL_DOCUMENT = "cancel_document"
    APPOINTMENT = "appointment"
    CANCEL_APPOINTMENT = "cancel_appointment"
    DIAGNOSIS = "diagnosis"
    IGNORED = "ignored"


class NewMessage(NamedTuple):
    """A message to be kept. A tuple, for intake makes thousands a second.

    ``sender`` is ``MSH-3|MSH-4``. ``ack_code``: the answer that will be given, None where none may be sent.
    ``state`` ``stored``: its step ``read`` follows; ``refused``: kept for people only, ``error_code`` says why.
    ``kind`` is MSH-9 as ``ADT^A03``, or a FHIR resource type.
    """

    channel: str
    sender: str
    control_id: str
    body: bytes
    ack_code: str | None
    state: str = "stored"
    error_code: str | None = None
    kind: str = ""


class SealedMessage(NamedTuple):
    """A message as the store keeps it, but for the time: hashed, encrypted, with its id. Made without the store."""

    id: str
    fingerprint: str
    channel: str
    sender: str
    control_id: str
    digest: str
    body: bytes
    state: str
    ack_code: str | None
    event_time: str
    error_code: str | None
    kind: str


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
    key under which ADT and FHIR meet; None where the message names no visit. ``patient_key`` is
    ``authority|patient number``: a message without a visit belongs to the patient's cases.
    ``former_patient_key`` and ``former_case_key`` are what a merge or a change of visit replaces (MRG).
    ``department`` is PV1-3.1, else PV1-10; ``patient_class`` is PV1-2.
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
    patient_key: str | None = None
    former_patient_key: str | None = None
    former_case_key: str | None = None
    department: str = ""
    patient_class: str = ""
    warnings: tuple[str, ...] = ()
