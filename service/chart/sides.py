"""Which side: from the coded laterality, else from the words of the place."""

import re

from service.chart.codes import coded_value, known_code, urls
from service.chart.element import Concept, Element, read_concept
from service.chart.items import Value
from service.chart.values import a_code
from service.model import FactType

_BOTH = re.compile(r"\b(?:beid(?:seits|e|er)|bds\.?|bilateral|both)(?!\w)", re.IGNORECASE)
_RIGHT = re.compile(r"\b(?:rechts(?:seitig\w*)?|rechte[rnms]?|re\.|right)(?!\w)", re.IGNORECASE)
_LEFT = re.compile(r"\b(?:links(?:seitig\w*)?|linke[rnms]?|li\.|left)(?!\w)", re.IGNORECASE)


def side_of_site(site: Element | None) -> Value | None:
    """The side of a bodySite: its laterality qualifier, else its words."""
    if site is None:
        return None
    for extension in (each for url in urls("laterality") for each in site.extensions(url)):
        concept = coded_value(extension)
        if concept and (found := side_of_concept(concept)):
            return found
    for part in site.children("coding"):
        if found := _of_german_extension(part):
            return found
    return side_of_concept(read_concept(site))


def side_of_concept(concept: Concept) -> Value | None:
    known = known_code(concept, "laterality")
    if known:
        return a_code(FactType.LATERALITY, known[1], f"{known[0].source}.code")
    for coding in concept.codings:
        if found := _of_german_extension(coding.element):
            return found
    if concept.text and (said := side_in_words(concept.text.value)):
        return a_code(FactType.LATERALITY, said, concept.text.source)
    for coding in concept.codings:
        if said := side_in_words(coding.display):
            return a_code(FactType.LATERALITY, said, f"{coding.source}.display")
    return None


def _of_german_extension(coding: Element) -> Value | None:
    """ICD-10-GM's own mark of the side (R, L, B) beside the code."""
    for extension in (each for url in urls("code_side") for each in coding.extensions(url)):
        mark = extension.child("valueCoding", at="value")
        side = {"R": "right", "L": "left", "B": "bilateral"}.get(mark.word("code")) if mark else None
        if mark and side:
            return a_code(FactType.LATERALITY, side, f"{mark.source}.code")
    return None


def side_in_words(text: str) -> str | None:
    right, left = bool(_RIGHT.search(text)), bool(_LEFT.search(text))
    if _BOTH.search(text) or (right and left):
        return "bilateral"
    return "right" if right else "left" if left else None
