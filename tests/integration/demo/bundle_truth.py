"""What a letter may say, read off a FHIR Bundle by other means than the chart's: a second opinion.

Nothing here imports ``service``: dates, doses, fractions, codes and drugs are found by walking the JSON.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

MONTHS = {
    "de": [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
    "en": [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
}
_ISO = re.compile(r"\A(\d{4})-(\d{2})(?:-(\d{2}))?(?:T|\Z)")
_DAY = {
    "de": re.compile(r"\b(\d{1,2})\.(\d{1,2})\.(\d{4})\b"),
    "en": re.compile(rf"\b(\d{{1,2}}) ({'|'.join(MONTHS['en'])}) (\d{{4}})\b"),
}
_DOSE = re.compile(r"(\d+(?:[.,]\d+)?)\s?(c?Gy)\b")
_FRACTIONS = re.compile(r"(\d+)\s(?:Fraktion(?:en)?|fractions?)\b")
_ICD10 = re.compile(r"\b[A-TV-Z]\d{2}(?:\.\d{1,3})?\b")


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What the Bundle holds. Doses in gray, with each volume's dose per fraction."""

    days: frozenset[date]
    doses: frozenset[Decimal]
    fractions: frozenset[int]
    icd10: frozenset[str]
    words: str


def truth_of(bundle: dict[str, Any]) -> Truth:
    strings = [each for each in walk(bundle) if isinstance(each, str)]
    days = {date(*map(int, found.groups())) for each in strings if (found := _ISO.match(each)) and found[3]}
    doses: set[Decimal] = set()
    fractions: set[int] = set()
    for node in dictionaries(bundle):
        parts = {str(part.get("url")): part for part in node.get("extension", []) if isinstance(part, dict)}
        amount = parts.get("totalDoseDelivered", {}).get("valueQuantity")
        many = parts.get("fractionsDelivered", {}).get("valueUnsignedInt")
        if amount:
            gray = Decimal(str(amount["value"])) / (100 if amount.get("unit", amount.get("code")) == "cGy" else 1)
            doses.add(gray)
            if many:
                doses.add((gray / many).quantize(Decimal("0.01")))
        fractions |= {many} if many else set()
        if str(node.get("url", "")).endswith("mcode-radiotherapy-sessions"):
            fractions.add(node["valueUnsignedInt"])
    icd10 = {node["code"] for node in dictionaries(bundle) if "icd-10" in str(node.get("system", ""))}
    return Truth(
        days=frozenset(days),
        doses=frozenset(doses),
        fractions=frozenset(fractions),
        icd10=frozenset(icd10),
        words="\n".join(strings).casefold(),
    )


def unfounded(letter: str, lang: str, truth: Truth, drugs: frozenset[str]) -> list[str]:
    """What the letter says and the Bundle does not; empty if all is well."""
    bad: list[str] = []
    for found in _DAY[lang].finditer(letter):
        month = int(found[2]) if lang == "de" else MONTHS["en"].index(found[2]) + 1
        bad += [found[0]] if date(int(found[3]), month, int(found[1])) not in truth.days else []
    for found in _DOSE.finditer(letter):
        gray = Decimal(found[1].replace(",", ".")) / (100 if found[2] == "cGy" else 1)
        bad += [found[0]] if gray not in truth.doses else []
    bad += [found[0] for found in _FRACTIONS.finditer(letter) if int(found[1]) not in truth.fractions]
    bad += [found[0] for found in _ICD10.finditer(letter) if found[0] not in truth.icd10]
    said = {word for word in drugs if re.search(rf"\b{re.escape(word.casefold())}\b", letter.casefold())}
    return bad + sorted(word for word in said if word.casefold() not in truth.words)


def found_values(letter: str, lang: str) -> int:
    """How many dates, doses, fractions and codes the letter has: a letter that says nothing proves nothing."""
    return sum(len(form.findall(letter)) for form in (_DAY[lang], _DOSE, _FRACTIONS, _ICD10))


def walk(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for each in value.values():
            yield from walk(each)
    elif isinstance(value, list):
        for each in value:
            yield from walk(each)
    else:
        yield value


def dictionaries(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from dictionaries(each)
    elif isinstance(value, list):
        for each in value:
            yield from dictionaries(each)
