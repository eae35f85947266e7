"""Irradiations of the oBDS (14, Strahlentherapie): each with its target, boost, single and total dose.

MII oncology told them as extensions of one Procedure until 2024, as Procedures of their own since; DKTK as
extensions. The tables in ``profiles.yaml`` name the places. An irradiation has no number of fractions, and two of
the same target are told apart: whether they add up, the data set does not say.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from service.chart.codes import Word, coded_value, known_code, listed_word, urls
from service.chart.element import Concept, Element
from service.chart.items import Value
from service.chart.sides import side_of_concept, side_of_site
from service.chart.values import a_word
from service.model import Display, FactType


def irradiations(procedure: Element) -> list[Element]:
    """The elements that tell one irradiation each: extensions, or the Procedure itself."""
    told = [each for url in urls("irradiation") for each in procedure.extensions(url)]
    return told or ([procedure] if procedure.extension(*urls("irradiation_dose")) else [])


def volume_name(irradiation: Element) -> Value | None:
    """Target, side and boost as the name of the volume: ``Mamma (Ganzbrust) rechts, sequentieller Boost``."""
    words = target_words([irradiation])
    if not words:
        return None
    shown = _joined_displays(words, " + ")
    sources = [each.source for each in words]
    if side := side_of(irradiation):
        shown = Display(de=f"{shown.de} {side.display.de}", en=f"{side.display.en} {shown.en}")
        sources.append(side.source)
    boost = coded_value(irradiation.extension(*urls("irradiation_boost")))
    if known_code(boost, "boost") and (word := listed_word(boost, "boost")):
        shown = Display(de=f"{shown.de}, {word.display.de}", en=f"{shown.en}, {word.display.en}")
        sources.append(word.source)
    return _told(words[0], shown, sources)


def side_of(irradiation: Element) -> Value | None:
    told = coded_value(irradiation.extension(*urls("irradiation_side")))
    if told:
        return side_of_concept(told)
    return next((side for each in _body_sites(irradiation) if (side := side_of_site(each))), None)


def target_words(told: Sequence[Element]) -> list[Word]:
    """What was irradiated. Several codes of one Zielgebiet are several targets, those of a bodySite are one."""
    found = []
    for each in told:
        target = coded_value(each.extension(*urls("irradiation_site")))
        concepts = (
            [replace(target, codings=[coding]) for coding in target.codings] if target else _body_site_concepts(each)
        )
        found += [word for concept in concepts if (word := listed_word(concept, "site"))]
    return _distinct(found)


def _body_site_concepts(element: Element) -> list[Concept]:
    return element.concepts("bodySite") if "bodySite" in element.json else []


def _body_sites(element: Element) -> list[Element]:
    return element.children("bodySite") if "bodySite" in element.json else []


def technique(told: Sequence[Element]) -> Value | None:
    """Ways of application, and beams behind them: ``perkutane Radiotherapie, Photonen``."""
    ways, beams = [], []
    for each in told:
        used = each.concepts("usedCode") if "usedCode" in each.json else []
        application = coded_value(each.extension(*urls("irradiation_application")))
        beam = coded_value(each.extension(*urls("irradiation_beam")))
        ways += _listed([*([application] if application else []), *used], "application")
        beams += _listed([*([beam] if beam else []), *used], "beam")
    groups = [group for group in (_distinct(ways), _distinct(beams)) if group]
    if not groups:
        return None
    shown = [_joined_displays(group, " + ") for group in groups]
    whole = Display(de=", ".join(each.de for each in shown), en=", ".join(each.en for each in shown))
    return _told(groups[0][0], whole, [word.source for group in groups for word in group])


def _listed(concepts: Iterable[Concept], name: str) -> list[Word]:
    return [word for each in concepts if known_code(each, name) and (word := listed_word(each, name))]


def _distinct(words: Sequence[Word]) -> list[Word]:
    return list({each.display.de: each for each in reversed(words)}.values())[::-1]


def _joined_displays(words: Sequence[Word], between: str) -> Display:
    return Display(
        de=between.join(each.display.de for each in words), en=between.join(each.display.en for each in words)
    )


def _told(first: Word, shown: Display, sources: Sequence[str]) -> Value:
    value = a_word(FactType.TERM, first)
    return replace(value, value=shown.de, display=shown, source=" + ".join(dict.fromkeys(sources)))
