"""Age and sex of the patient."""

import re
from collections.abc import Iterable, Mapping

from service.model import Display, Fact, Finding, Lang
from service.verify.desk import Desk
from service.verify.extract import Mention
from service.verify.outcome import Outcome, contradicted, settle, supported
from service.verify.page import norm

_AGE = re.compile(
    r"(?<![\w.,-])(?P<n>\d{1,3})(?:-?\s?jährig\w*|\s*(?:jahre?|j\.)\s*(?:alt\w*)|[-\s]years?[-\s]old|\s?(?:y/o|yo)\b)|"
    r"(?:im alter von|at the age of|aged)\s+(?P<a>\d{1,3})\b(?!\s*(?:monat|month))"
)
_RELATIVE = re.compile(
    r"mutter|vater|schwester|bruder|tochter|sohn|tante|mother|father|sister|brother|daughter|son\b|aunt|famil"
)
_EARLIER = re.compile(r"erstdiagnos|damals|seinerzeit|diagnosed|diagnosis|at that time|menarche|menopaus|jahren? an ")
# German has no words here for pronouns (sie, er, man mean much else); each word is looked for in its language only
_SEX: Mapping[tuple[Lang, str], re.Pattern[str]] = {
    ("de", "female"): re.compile(r"\bpatientin(?:nen)?\b|\bweiblich\w*|jährigen? (?:frau|dame)\b"),
    ("de", "male"): re.compile(
        r"\b(?:der|des|dem|den|unser(?:e[mnrs])?|ein(?:e[mnrs])?|ihr(?:e[mn])?|jähriger?n?) patient(?:en)?\b|\bmännlich\w*|"
        r"jähriger?n? (?:mann|herr)\w*"
    ),
    ("en", "female"): re.compile(r"\bfemale\b|\b(?:woman|lady)\b|\b(?:she|her|hers|herself)\b"),
    ("en", "male"): re.compile(r"(?<!fe)\bmale\b|\b(?:man|gentleman)\b|\b(?:he|his|him|himself)\b"),
}
_PRONOUNS = frozenset({"he", "his", "him", "himself", "she", "her", "hers", "herself"})
_OTHER_PERSON = re.compile(r"\bdr\b|doctor|wife|husband|physician|\bgp\b|partner|nurse|colleague")
_TITLES = {"female": ("frau", "ms", "mrs", "miss", "fr"), "male": ("herr", "herrn", "mr", "hr")}


def check_age(desk: Desk) -> Iterable[Outcome]:
    """The age at discharge; ages of kin and ages at an earlier time are left alone."""
    fact = desk.book.facts.get("patient.age")
    for match in _AGE.finditer(desk.page.folded):
        group = "n" if match["n"] else "a"
        start, end = match.span(group)
        words = desk.page.part(desk.page.sentence_at(start))
        if fact is None or _RELATIVE.search(words):
            continue
        mention = Mention(type="age", start=start, end=end, text=match[group], values=(match[group],))
        outcome = settle(
            mention, role=[fact], strong=True, pool=[], same=lambda m, f: f.value == m.value, own=desk.own.get(start)
        )
        earlier = not match["n"] and bool(_EARLIER.search(words))
        if outcome and not (earlier and isinstance(outcome, Finding)):
            yield outcome


def check_sex(desk: Desk) -> Iterable[Outcome]:
    """Words of one sex. One finding a word: the same pronoun ten times is one error."""
    fact = desk.book.facts.get("patient.sex") or desk.book.facts.get("patient.salutation")
    if fact is None or fact.value not in _TITLES:
        return
    for sex in _TITLES:
        told: set[str] = set()
        for match in _SEX[desk.page.lang, sex].finditer(desk.page.folded):
            sentence = desk.page.part(desk.page.sentence_at(match.start()))
            another = match[0] in _PRONOUNS and _OTHER_PERSON.search(sentence)
            if match[0] in told or _RELATIVE.search(sentence) or another:
                continue
            told.add(match[0])
            mention = _mention(desk, *match.span(), sex)
            yield supported(mention, fact) if sex == fact.value else contradicted(mention, fact)
    yield from _check_titles(desk, fact)


def _check_titles(desk: Desk, fact: Fact) -> Iterable[Outcome]:
    """``Herr`` before the name of a woman, ``Frau`` before that of a man."""
    name = desk.book.facts.get("patient.family") or desk.book.facts.get("patient.name")
    if name is None or not name.value.split():
        return
    family = norm(name.value.split()[-1])
    words = desk.page.words
    for index, word in enumerate(words):
        sex = next((sex for sex, titles in _TITLES.items() if word.norm in titles), None)
        if sex is None or not any(w.norm == family for w in words[index + 1 : index + 5]):
            continue
        mention = _mention(desk, word.start, word.end, sex)
        if sex == fact.value:
            yield supported(mention, desk.book.facts.get("patient.salutation", fact))
            continue
        yield contradicted(
            mention,
            fact,
            role=Display(
                de=f"Anrede „{mention.text}“ passt nicht zum Geschlecht in der Akte: {fact.display.de}.",
                en=f"The title “{mention.text}” does not fit the sex in the chart: {fact.display.en}.",
            ),
        )


def _mention(desk: Desk, start: int, end: int, sex: str) -> Mention:
    return Mention(type="sex", start=start, end=end, text=desk.page.text[start:end], values=(sex,))
