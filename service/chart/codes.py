"""Code tables of the chart, kept as YAML beside this module (``codes.yaml`` for terminologies, ``profiles.yaml``
for national profiles); and words made of a coded concept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from service.chart.element import Coding, Concept, Element, Leaf, read_coding
from service.chart.text import without_qualifier
from service.model import Display

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
ATC = "http://fhir.de/CodeSystem/bfarm/atc"


@dataclass(frozen=True, kw_only=True)
class Word:
    """A concept as words. ``value``: as the source has it; ``source``: where these words stand."""

    value: str
    display: Display
    source: str
    code: str | None
    system: str | None


@cache
def table(name: str) -> Mapping[str, Any]:
    """One top-level table of ``codes.yaml`` and ``profiles.yaml`` together. KeyError where neither has it."""
    found = [file_table(file)[name] for file in ("codes.yaml", "profiles.yaml") if name in file_table(file)]
    if not found:
        raise KeyError(name)
    return {code: row for rows in found for code, row in (rows or {}).items()}


@cache
def file_table(file: str) -> Mapping[str, Any]:
    """A YAML file beside this module."""
    text = files("service.chart").joinpath(file).read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


@cache
def systems(name: str) -> Sequence[str]:
    """The addresses of the code systems that code one thing, the one to be taken first in front."""
    return tuple(file_table("profiles.yaml")["systems"][name])


@cache
def urls(name: str) -> Sequence[str]:
    """The extensions that tell one thing, in the order in which one is taken."""
    return tuple(file_table("profiles.yaml")["extensions"][name])


def has_profile(resource: Element, name: str) -> bool:
    """Whether ``meta.profile`` names one of the profiles of a table; versions behind it do not matter."""
    meta = resource.json.get("meta")
    told = meta.get("profile") if isinstance(meta, dict) else None
    claimed = {each.split("|")[0] for each in told if isinstance(each, str)} if isinstance(told, list) else set()
    return not claimed.isdisjoint(file_table("profiles.yaml")["profiles"][name])


def coded_value(extension: Element | None) -> Concept | None:
    """``valueCodeableConcept`` of an extension, or its ``valueCoding`` as one."""
    if extension is None:
        return None
    if "valueCodeableConcept" in extension.json:
        return extension.concept("valueCodeableConcept", at="value")
    coding = extension.child("valueCoding", at="value")
    if coding is None:
        return None
    return Concept(text=None, codings=[read_coding(coding)], source=coding.source)


def pair(row: Any) -> Display:
    """``de | en`` of a table; one word alone serves both."""
    de, _, en = str(row).partition("|")
    return Display(de=de.strip(), en=(en or de).strip())


@cache
def known_word(text: str, name: str) -> Display | None:
    """A table's word in both languages, from the word in one of them."""
    rows = (pair(row) for row in table(name).values())
    return next((row for row in rows if text.casefold() in (row.de.casefold(), row.en.casefold())), None)


def icd10_name(code: str) -> Display | None:
    """The name of an ICD-10 code, of its category where the code itself is not listed."""
    names = file_table("icd10.yaml")
    for known in (code, code[:5], code[:3]):
        if known in names:
            return pair(names[known])
    return None


def known_code(concept: Concept | None, name: str) -> tuple[Coding, Any] | None:
    """The first coding whose code stands in a table."""
    rows = table(name)
    return next(((each, rows[each.code]) for each in concept.codings if each.code in rows), None) if concept else None


def word_of(concept: Concept | None, name: str = "") -> Word | None:
    """What a concept says in words: its text, else a display, else the table's word for its code.

    A coded word is written in both languages where table ``name`` knows the code, unless the source's own
    text says more than the code does. None where there is nothing but an unknown code.
    """
    if concept is None:
        return None
    found = known_code(concept, name) if name else None
    shown = next((each for each in concept.codings if each.display), None)
    coding = found[0] if found else shown or next(iter(concept.codings), None)
    words = concept.text or (
        Leaf(value=without_qualifier(shown.display), source=shown.display_source) if shown else None
    )
    if found:
        listed = pair(found[1])
        plain = words is None or _says_no_more(words.value, listed, concept)
        display = listed if plain or words is None else Display(de=words.value, en=words.value)
        value = words.value if words else display.en
        source = words.source if words else found[0].code_source
    elif words:
        value, source, display = words.value, words.source, Display(de=words.value, en=words.value)
    else:
        return None
    return Word(
        value=value,
        display=display,
        source=source,
        code=coding.code or None if coding else None,
        system=coding.system or None if coding else None,
    )


def listed_word(concept: Concept | None, name: str) -> Word | None:
    """The table's word for a code, whatever display stands beside it; else the concept's own words."""
    found = known_code(concept, name)
    if found is None:
        return word_of(concept)
    coding, listed = found[0], pair(found[1])
    return Word(value=listed.de, display=listed, source=coding.code_source, code=coding.code, system=coding.system)


def _says_no_more(text: str, listed: Display, concept: Concept) -> bool:
    """Whether the source's words are the table's, or SNOMED CT's own English name of the code."""
    names = [without_qualifier(each.display) for each in concept.codings if each.system == SNOMED and each.display]
    return text.casefold() in {listed.de.casefold(), listed.en.casefold()} or (text in names and text.isascii())


ATC_SYSTEMS = frozenset(systems("atc"))
ICD10_SYSTEMS = systems("icd10")
OPS_SYSTEMS = frozenset(systems("ops"))
