"""Drug names: known ones by a shipped table of substances and brands, unknown ones by their INN ending."""

import re
from collections.abc import Mapping, Sequence
from functools import cache

from service.model import Fact, FactType
from service.verify.book import Book
from service.verify.extract import Mention
from service.verify.page import Page, Range, norm
from service.verify.vocabulary import shipped

_TOKEN = re.compile(r"[^\W\d_][\w]*(?:-[^\W_][\w]*)*|\d-[a-z]\w+", re.IGNORECASE)
_SUFFIX = re.compile(
    r"-(?:haltig|basiert|mono|gabe|therapie|chemo|gaben|infusion|allergie|unverträglich|based|containing|allergy)\w*$"
)


@cache
def _table() -> tuple[Mapping[str, str], frozenset[str], Sequence[tuple[str, str]]]:
    """Every spelling to its substance, the oncology substances, names of two words."""
    data = shipped("drugs.yaml")
    names: dict[str, str] = {}
    for section in ("oncology", "supportive"):
        for substance, others in data[section].items():
            for name in (substance, *others):
                names[norm(name)] = norm(substance)
    pairs = [(name, substance) for name, substance in names.items() if " " in name]
    return names, frozenset(norm(name) for name in data["oncology"]), pairs


@cache
def _endings() -> tuple[tuple[str, ...], frozenset[str]]:
    data = shipped("drugs.yaml")
    return tuple(data["endings"]), frozenset(data["not_drugs"])


def substance_of(token: str) -> str | None:
    """The substance a token names: by the table, else the token itself where it ends like an INN."""
    names, _, _ = _table()
    word = norm(token)
    endings, not_drugs = _endings()
    for form in (word, _SUFFIX.sub("", word)):
        if form in names:
            return names[form]
        for ending in ("s", "e", "es"):  # genitive; English -e
            if form.endswith(ending) and form.removesuffix(ending) in names:
                return names[form.removesuffix(ending)]
    if len(word) >= 7 and word.endswith(endings) and word not in not_drugs:
        return word
    return None


def is_oncological(substance: str) -> bool:
    return substance in _table()[1]


class Pharmacy:
    """The chart's drugs by substance, and the spellings it uses for drugs that no table knows."""

    def __init__(self, book: Book) -> None:
        self.by_substance: dict[str, list[Fact]] = {}
        self.spellings: dict[str, str] = {}
        regimens: Mapping[str, Sequence[str]] = shipped("drugs.yaml")["regimens"]
        for fact in book.typed(FactType.DRUG, FactType.ALLERGY):
            for name in (fact.display.de, fact.display.en, fact.value):
                found = [s for s in map(substance_of, _TOKEN.findall(name)) if s]
                found += [substance for pair, substance in _table()[2] if pair in norm(name)]
                for token in _TOKEN.findall(name):
                    found += [norm(part) for part in regimens.get(norm(token), ())]
                if not found and fact.type is FactType.DRUG:
                    first = _TOKEN.search(name)
                    if first and len(first[0]) > 2:
                        found = [norm(first[0])]
                        self.spellings[norm(first[0])] = norm(first[0])
                for substance in found:
                    facts = self.by_substance.setdefault(substance, [])
                    if fact not in facts:
                        facts.append(fact)
        tokens = [part for token in _TOKEN.findall(book.prose) for part in (token, *token.split("-"))]
        self.elsewhere = {s for s in map(substance_of, tokens) if s and s not in self.by_substance}

    def substance(self, token: str) -> str | None:
        return (
            self.spellings.get(norm(token)) or self.spellings.get(_SUFFIX.sub("", norm(token))) or substance_of(token)
        )


def find_drugs(page: Page, pharmacy: Pharmacy) -> list[Mention]:
    """Every drug named; ``value`` is the substance."""
    found: list[Mention] = []
    taken: list[Range] = []
    for name, substance in _table()[2]:
        at = page.folded.find(name)
        while at >= 0:
            taken.append(Range(at, at + len(name)))
            found.append(_mention(page, at, at + len(name), substance))
            at = page.folded.find(name, at + 1)
    for match in _TOKEN.finditer(page.text):
        if any(area.start <= match.start() < area.end for area in taken):
            continue
        substance_named = pharmacy.substance(match[0])
        if substance_named:
            end = match.end() - (len(match[0]) - len(_SUFFIX.sub("", match[0])))
            found.append(_mention(page, match.start(), end, substance_named))
            continue
        position = match.start()
        for part in match[0].split("-"):  # Carboplatin-Paclitaxel
            named = pharmacy.substance(part) if "-" in match[0] and len(part) > 3 else None
            if named:
                found.append(_mention(page, position, position + len(part), named))
            position += len(part) + 1
    return sorted(found, key=lambda mention: mention.start)


def _mention(page: Page, start: int, end: int, substance: str) -> Mention:
    return Mention(type="drug", start=start, end=end, text=page.text[start:end], values=(substance,))
