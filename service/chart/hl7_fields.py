"""Fields of HL7 v2 segments as cleaned values with their source (HL7 2.9 chapters 2 and 2A)."""

from decimal import Decimal, InvalidOperation

from service.chart.dates import Moment, read_hl7
from service.chart.displays import ucum_of
from service.chart.element import Coding, Concept, Element, Leaf
from service.chart.text import clean
from service.ports import Segment

DELETE = '""'
"""A field of two quotation marks: what was said before no longer holds (chapter 2.5.3)."""

_SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "SNM": "http://snomed.info/sct",
    "SNOMED": "http://snomed.info/sct",
    "SNOMED-CT": "http://snomed.info/sct",
    "LN": "http://loinc.org",
    "LOINC": "http://loinc.org",
    "ATC": "http://fhir.de/CodeSystem/bfarm/atc",
    "WC": "http://fhir.de/CodeSystem/bfarm/atc",
    "WHO-ATC": "http://fhir.de/CodeSystem/bfarm/atc",
    "I10G": "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
    "I10C": "http://hl7.org/fhir/sid/icd-10-cm",
    "I10": "http://hl7.org/fhir/sid/icd-10",
    "ICD10": "http://hl7.org/fhir/sid/icd-10",
    "OPS": "http://fhir.de/CodeSystem/bfarm/ops",
    "MDR": "https://www.meddra.org",
    "MEDDRA": "https://www.meddra.org",
}


def leaf(segment: Segment, field: int, *, component: int | None = None, repetition: int = 1) -> Leaf[str] | None:
    """A component's words; None where it is empty or deleted."""
    text = clean(segment.value(field, component=component or 1, repetition=repetition))
    if not text or text == DELETE:
        return None
    return Leaf(value=text, source=segment.source(field, repetition=repetition, component=component))


def deletes(segment: Segment, field: int) -> bool:
    return segment.value(field).strip() == DELETE


def is_withdrawn(segment: Segment) -> bool:
    """OBX-11: deleted, wrong, not obtainable; or a value of two quotation marks."""
    return segment.value(11).strip().upper() in ("D", "W", "X") or segment.value(5).strip() == DELETE


def moment(segment: Segment, field: int, notes: list[str], *, component: int | None = None) -> Leaf[Moment] | None:
    """A DT, TS or DTM; another word is noted by its place."""
    found = leaf(segment, field, component=component)
    if found is None:
        return None
    read = read_hl7(found.value, segment.offset(field))
    if read is None:
        notes.append(f"{found.source}: expected a date, left out")
        return None
    return Leaf(value=read, source=found.source)


def number(found: Leaf[str] | None, notes: list[str]) -> Leaf[Decimal] | None:
    """An NM, also with a decimal comma."""
    if found is None:
        return None
    try:
        read = Decimal("NaN" if "_" in found.value else found.value.replace(",", ".").lstrip("+"))
    except InvalidOperation:
        read = Decimal("NaN")
    if not read.is_finite() or abs(read) >= 10**15 or (abs(read) < Decimal("1e-9") and read != 0):
        notes.append(f"{found.source}: expected a number, left out")
        return None
    return Leaf(value=read, source=found.source)


def unit(segment: Segment, field: int) -> str:
    """OBX-6 and its like: the UCUM code where one is given or the word is known, else the word."""
    for component, system in ((1, 3), (4, 6)):
        code = leaf(segment, field, component=component)
        if code and segment.value(field, component=system).strip().upper() == "UCUM":
            return code.value
    written = leaf(segment, field) or leaf(segment, field, component=2)
    return ucum_of(written.value) if written else ""


def concept(segment: Segment, field: int, *, repetition: int = 1) -> Concept:
    """A CE or CWE (code, text, system; and the alternate three) as the same thing that FHIR calls so."""
    codings = []
    for start in (1, 4):
        code, text, system = (
            clean(segment.value(field, component=start + step, repetition=repetition)).replace(DELETE, "")
            for step in range(3)
        )
        if code or (text and start == 4):
            source = segment.source(field, repetition=repetition)
            codings.append(
                Coding(
                    system=system_of(system),
                    code=code,
                    display=text,
                    source=source,
                    code_source=segment.source(field, repetition=repetition, component=start),
                    display_source=segment.source(field, repetition=repetition, component=start + 1),
                    element=Element(json={}, home=source, path="", notes=[]),
                )
            )
    text_leaf = leaf(segment, field, component=2, repetition=repetition)
    if text_leaf is None:
        text_leaf = leaf(segment, field, component=9, repetition=repetition)
    return Concept(text=text_leaf, codings=codings, source=segment.source(field, repetition=repetition))


def system_of(name: str) -> str:
    """The address of a code system from its name in HL7 table 0396; years behind it do not matter."""
    plain = name.upper().strip()
    if plain in _SYSTEMS:
        return _SYSTEMS[plain]
    bare = plain.replace(" ", "").rstrip("0123456789-_")
    if plain.replace("-", "").startswith(("ICD10GM", "I10G")):
        return _SYSTEMS["I10G"]
    if plain.replace("-", "").startswith(("ICD10CM", "I10C")):
        return _SYSTEMS["I10C"]
    if plain.replace("-", "").startswith(("ICD10", "I10")):
        return _SYSTEMS["I10"]
    return _SYSTEMS.get(bare, name)
