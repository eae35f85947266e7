"""Facts of one visit, and what may identify its patient."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Lang = Literal["de", "en"]


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
