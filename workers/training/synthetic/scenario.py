"""What is true of one invented patient, before it is told in FHIR or in HL7 v2.

Words are already in the case's language. Dates that a source may know only roughly are ISO 8601
strings of full, month or year precision; dates that the arithmetic needs are ``date`` or ``datetime``.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from service.model import Lang

Side = Literal["left", "right"]
TherapyResource = Literal["MedicationAdministration", "MedicationStatement", "MedicationRequest"]


@dataclass(frozen=True, kw_only=True)
class Term:
    """A word of the case's language with the code behind it, where there is one.

    ``display`` is the code system's own wording if it differs from ``text``.
    """

    text: str
    code: str | None = None
    system: str | None = None
    display: str | None = None


@dataclass(frozen=True, kw_only=True)
class Amount:
    """A number with its unit as printed and, where UCUM knows it, as coded."""

    value: Decimal
    unit: str
    ucum: str | None = None


@dataclass(frozen=True, kw_only=True)
class Patient:
    family: str
    given: str
    sex: Literal["female", "male"]
    birth_date: date
    mrn: str


@dataclass(frozen=True, kw_only=True)
class Physician:
    family: str
    given: str
    title: str
    number: str


@dataclass(frozen=True, kw_only=True)
class Stay:
    visit_number: str
    start: datetime
    end: datetime
    ward: str
    department: str
    physician: Physician | None
    outpatient: bool


@dataclass(frozen=True, kw_only=True)
class Category:
    """One TNM category or the stage group. ``axis``: t, n, m, stage; ``value`` as written: ``pT2``, ``IIA``."""

    axis: Literal["t", "n", "m", "stage"]
    pathological: bool
    value: str


@dataclass(frozen=True, kw_only=True)
class Marker:
    """A tumour marker: a word (``positive``) or an amount."""

    name: Term
    word: str | None
    amount: Amount | None
    date: str


@dataclass(frozen=True, kw_only=True)
class Tumour:
    """A malignant diagnosis; ``primary`` is False for a treated metastasis."""

    name: Term
    site: Term
    side: Side | None
    histology: Term | None
    date: str | None
    categories: tuple[Category, ...]
    grading: str | None
    markers: tuple[Marker, ...]
    primary: bool


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A treated volume with its own total dose in Gy over all phases."""

    name: str
    dose: Decimal
    fractions: int


@dataclass(frozen=True, kw_only=True)
class Course:
    """A radiotherapy course. ``planned`` is set where the chart also holds the prescription.

    ``phases`` are the sequential parts, each a list of volumes with that part's dose; empty where
    the chart tells only the summary. ``end`` is None while it runs. ``unit``: doses in Gy or cGy.
    """

    intent: Term
    modality: Term
    technique: Term | None
    site: Term
    side: Side | None
    start: date
    end: date | None
    status: Literal["completed", "stopped", "in-progress"]
    volumes: tuple[Volume, ...]
    planned: tuple[Volume, ...]
    phases: tuple[tuple[Volume, ...], ...]
    unit: Literal["Gy", "cGy"]
    tumour: int

    @property
    def fractions(self) -> int:
        return max(volume.fractions for volume in self.volumes)


@dataclass(frozen=True, kw_only=True)
class Systemic:
    drug: Term
    dose: Amount | None
    rhythm: str | None
    cycles: int | None
    start: str
    end: str | None
    resource: TherapyResource


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A procedure other than a radiotherapy course."""

    name: Term
    date: str


@dataclass(frozen=True, kw_only=True)
class Toxicity:
    term: Term
    grade: int
    date: date


@dataclass(frozen=True, kw_only=True)
class Lab:
    name: Term
    amount: Amount
    taken: datetime
    interpretation: Literal["H", "L", "N"]


@dataclass(frozen=True, kw_only=True)
class Medication:
    drug: Term
    dose: Amount
    schedule: str


@dataclass(frozen=True, kw_only=True)
class Appointment:
    service: str
    start: datetime
    place: str


@dataclass(frozen=True, kw_only=True)
class PlanItem:
    """A next step; ``imaging`` ones may be told as ServiceRequest."""

    what: str
    date: str | None
    imaging: bool


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One case. ``allergies`` is None where nobody asked and empty where none are known."""

    seed: int
    lang: Lang
    site: str
    patient: Patient
    stay: Stay
    tumours: tuple[Tumour, ...]
    courses: tuple[Course, ...]
    operations: tuple[Operation, ...]
    systemic: tuple[Systemic, ...]
    toxicities: tuple[Toxicity, ...]
    ecog: int | None
    karnofsky: int | None
    labs: tuple[Lab, ...]
    comorbidities: tuple[Term, ...]
    allergies: tuple[Term, ...] | None
    medications: tuple[Medication, ...]
    medication_resource: Literal["MedicationRequest", "MedicationStatement"]
    appointments: tuple[Appointment, ...]
    plan: tuple[PlanItem, ...]
