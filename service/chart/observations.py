"""What kind of thing an Observation tells, and its value."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from service.chart import displays
from service.chart.codes import known_code, pair, table, word_of
from service.chart.dates import Moment
from service.chart.element import Concept, Element, Leaf
from service.chart.items import Value
from service.chart.values import a_text, a_word, an_amount, quantity_unit
from service.model import FactType, Importance
from service.radiotherapy import plain

CodeKind = Literal["tnm", "grading", "histology", "metastasis", "marker", "performance", ""]
Kind = CodeKind | Literal["toxicity", "lab"]

CTCAE_GRADE = "http://hl7.org/fhir/us/ctcae/StructureDefinition/ctcae-grade"
_OTHER_CATEGORIES = frozenset({"vital-signs", "social-history", "imaging", "exam", "survey", "procedure", "therapy"})
_MARKER = re.compile(
    r"\b(?:er|pr|pgr)\b(?=[-\s]*(?:status|expr|$))|(?:ö|o)strogen[-\s]?rez|estrogen rec|oestrogen rec|progesteron\w*[-\s]?(?:rez|rec)"
    r"|\bher[-\s]?2|\bki[-\s]?67|pd[-\s]?l1|\begfr\b(?!.*(?:ckd|mdrd))|\balk\b|\bros1\b|\bbraf\b|\b[kn]?ras\b|\bmgmt\b|\bidh[-\s]?[12]?\b"
    r"|\bp16\b|\bhpv\b|\bebv\b|\bebe?r\b|\bmsi\b|mikrosatellit|microsatellit|\bmmr\b|\btert\b|\bmdm2\b|gleason|\bisup\b"
    r"|\bipsa\b|initial\w* psa|psa.*(?:initial|diagnos)|\bbrca|1p/?19q|\bs100\b",
    re.IGNORECASE,
)
_INITIAL = re.compile(r"initial|\bipsa\b|bei (?:erst)?diagnose|at diagnosis", re.IGNORECASE)


def kind_of(observation: Element) -> Kind:
    code = observation.concept("code")
    if code is None:
        return ""
    said = kind_of_code(code)
    if said in ("tnm", "grading", "histology", "metastasis", "performance"):
        return said
    if observation.extensions(CTCAE_GRADE):
        return "toxicity"
    if said:
        return said
    categories = {each for concept in observation.concepts("category") for each in concept.codes()}
    if "laboratory" in categories or (known_code(code, "lab") and not categories & _OTHER_CATEGORIES):
        return "lab"
    return ""


def kind_of_code(code: Concept) -> CodeKind:
    """What a code tells by itself, in FHIR and in HL7 v2; a laboratory test needs more than its code."""
    if known_code(code, "tnm"):
        return "tnm"
    if known_code(code, "grading_code"):
        return "grading"
    if known_code(code, "performance"):
        return "performance"
    if known_code(code, "histology_code"):
        return "histology"
    if known_code(code, "metastasis_code"):
        return "metastasis"
    if known_code(code, "marker") or _names_a_marker(code):
        return "marker"
    if known_code(code, "told_lab") and _INITIAL.search(code.text.value if code.text else ""):
        return "marker"
    return ""


def _names_a_marker(code: Concept) -> bool:
    said = [code.text.value] if code.text else [each.display for each in code.codings]
    return any(_MARKER.search(each) for each in said)


def moment_of(observation: Element) -> Leaf[Moment] | None:
    """When it was true: effective, else issued."""
    start, _ = observation.period("effective") if _has_effective(observation) else (None, None)
    return start or observation.moment("effectiveInstant", at="effective") or observation.moment("issued")


def _has_effective(observation: Element) -> bool:
    return "effectivePeriod" in observation.json or "effectiveDateTime" in observation.json


def value_of(observation: Element, type_: FactType, importance: Importance = Importance.NORMAL) -> Value | None:
    """``value[x]`` as a fact: an amount with unit, a word in both languages where it is known, a number."""
    quantity = observation.child("valueQuantity", at="value")
    if quantity:
        number = quantity.number("value")
        comparator = quantity.word("comparator")
        if number is None:
            return None
        return an_amount(
            type_,
            number.value,
            quantity_unit(quantity),
            quantity.source,
            importance,
            comparator=comparator if comparator in ("<", "<=", ">", ">=") else "",
        )
    number = observation.number("valueInteger", at="value")
    if number:
        return an_amount(type_, number.value, "", number.source, importance)
    text = observation.text("valueString", at="value")
    if text:
        return _in_words(type_, text, importance)
    concept = observation.concept("valueCodeableConcept", at="value")
    found = word_of(concept, "result")
    if found is None:
        return None
    listed = table("result").get(found.value.casefold())
    value = a_word(type_, found, importance)
    return _with(value, listed) if listed else value


def _in_words(type_: FactType, text: Leaf[str], importance: Importance) -> Value:
    listed = table("result").get(text.value.casefold())
    value = a_text(type_, text, importance)
    return _with(value, listed) if listed else value


def _with(value: Value, listed: str) -> Value:
    return Value(
        type=value.type,
        value=value.value,
        display=pair(listed),
        source=value.source,
        unit=value.unit,
        importance=value.importance,
        code=value.code,
        system=value.system,
    )


def score_of(observation: Element) -> Leaf[str] | None:
    """A performance score as digits, from a number, an answer code, or the beginning of its words."""
    for name in ("valueInteger", "valueDecimal"):
        number = observation.number(name, at="value")
        if number:
            return Leaf(value=plain(number.value), source=number.source)
    quantity = observation.child("valueQuantity", at="value")
    number = quantity.number("value") if quantity else None
    if quantity and number:
        return Leaf(value=plain(number.value), source=quantity.source)
    text = observation.text("valueString", at="value")
    if text and (digits := digits_in(text.value)):
        return Leaf(value=digits, source=text.source)
    concept = observation.concept("valueCodeableConcept", at="value")
    if concept is None:
        return None
    answers: Mapping[str, str] = table("performance_answer")
    for coding in concept.codings:
        if coding.code in answers:
            return Leaf(value=answers[coding.code], source=f"{coding.source}.code")
        digits = coding.code.removesuffix("%")
        if digits.isascii() and digits.isdigit() and len(digits) <= 3:
            return Leaf(value=digits, source=f"{coding.source}.code")
    digits = digits_in(concept.words())
    return Leaf(value=digits, source=concept.source) if digits else None


def digits_in(text: str) -> str:
    """The first whole number of up to three digits, or empty."""
    found = re.search(r"(?<![\d.,])(\d{1,3})(?![\d.,]\d)", text)
    return found.group(1) if found else ""


def performance_value(name: str, score: Leaf[str]) -> Value | None:
    """ECOG 0 to 5, Karnofsky 0 to 100 in tens; anything else is none."""
    number = Decimal(score.value)
    fits = number in range(6) if name == "ecog" else number in range(0, 101, 10)
    if not fits:
        return None
    return Value(
        type=FactType.PERFORMANCE,
        value=score.value,
        display=displays.percent(score.value) if name == "karnofsky" else displays.same_in_both(score.value),
        source=score.source,
    )
