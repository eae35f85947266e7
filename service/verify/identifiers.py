"""Whose letter it is: names and record numbers."""

import re
from collections.abc import Iterable

from service.model import Fact
from service.verify.book import Book
from service.verify.desk import Desk
from service.verify.extract import Mention
from service.verify.outcome import Outcome, contradicted, settle, supported, unsupported
from service.verify.page import Page, norm

_PARTICLE = r"(?:von|van|de|der|den|zu|zur|vom|del|di|da|la|le|ten|ter|al|el|bin|Freiherr|Graf)"
_NAME = rf"(?:{_PARTICLE}\s+){{0,3}}[A-ZÄÖÜÀ-Ý][\w'’]*(?:-[A-ZÄÖÜÀ-Ý][\w'’]*)*"
_TITLED = re.compile(rf"\b(?P<t>Herrn?|Frau|Fr\.|Hr\.|Mrs?\.?|Ms\.?|Miss|Mister)\s+(?P<n>{_NAME}(?:\s{_NAME}){{0,3}})")
_TITLE = re.compile(r"\b(?:Herrn?|Frau|Fr\.|Hr\.|Mrs?\b\.?|Ms\b\.?|Miss|Patient(?:in|en)?)\s+")
_LABELLED = re.compile(
    rf"(?:\b(?:Patient(?:in)?|Pat\.|Name|Betr(?:\.|eff)|Re|Regarding|Patientenname|Patient name)\s*:\s*(?:(?:Herrn?|Frau|Mrs?\.?|Ms\.?)\s+)?)"
    rf"(?P<n>{_NAME}(?:,?[ \t]{_NAME}){{0,3}})"
)
_BEFORE_BIRTH = re.compile(
    rf"(?P<n>{_NAME}(?:,?[ \t]{_NAME}){{1,3}})\s*[,(;]*\s*(?:geb\.|geboren|\*\s?\d|born\b|DOB|D\.O\.B|date of birth|Geburtsdatum)"
)
_PROFESSIONAL = re.compile(
    r"\b(?:Dr|Prof|PD|Priv)\b|\b(?:Kolleg|Oberarzt|Oberärzt|Chefarzt|Chefärzt|Assistenz|Schwester |Pfleger |Doktor|Doctor|"
    r"Professor|Consultant|Nurse )"
)
_KIN = re.compile(
    r"(?:ehefrau|ehemann|tochter|sohn|mutter|vater|bruder|schwester|partner\w*|betreuer\w*|angehörige\w*|wife|husband|daughter|"
    r"son|mother|father|brother|sister|carer|sozialdienst)\W+(?:\w+\W+){0,2}$",
    re.IGNORECASE,
)
_SALUTED = re.compile(
    r"(?:sehr geehrte[rnsm]?|liebe[r]?|dear|guten tag|hallo|^an|^to)\W*(?:\w+\W+){0,1}$", re.IGNORECASE
)
_ABOUT = re.compile(r"betr|patient|\bpat\.|\bgeb\b|geboren|\bborn|\bdob\b|\bre:|regarding|\bname")
_OPENING = re.compile(r"^\s*(?:sehr geehrt|dear\b|liebe[rs]?\b|guten tag)", re.MULTILINE)
_CLOSING = re.compile(
    r"^\s*(?:mit (?:freundlich|herzlich|best|kollegial)|yours |kind regards|with kind|herzliche grüße|mfg)",
    re.MULTILINE,
)
_STOP_WORDS = frozenset(
    [
        "dob",
        "geb",
        "born",
        "kollegin",
        "kollege",
        "kollegen",
        "doktor",
        "dr",
        "prof",
        "damen",
        "herren",
        "patient",
        "patientin",
        "mit",
        "nach",
        "bei",
        "wegen",
        "am",
        "vom",
        "im",
        "in",
        "der",
        "die",
        "das",
        "wurde",
        "ist",
        "war",
        "hat",
        "with",
        "was",
        "is",
        "has",
        "who",
        "the",
        "colleague",
        "colleagues",
        "sir",
        "madam",
    ]
)
_NUMBER = re.compile(
    r"\b(?P<l>(?:patient(?:en)?|pat\.?|fall|aufnahme|besuchs?|akten|kranken(?:haus|akten)?|medical record|hospital|visit|"
    r"encounter|record|case|admission|mrn|kis|piz|unit)[-\s.]*(?:nummer|nr\.?|no\.?|number|id|identifier|kennung|#)?|mrn|pid|piz)"
    r"\s*[:#.]?\s*(?P<n>[a-z]{0,4}[-/]?\d[\w/-]{2,19}\w|\d{3,})",
    re.IGNORECASE,
)
_VISIT_LABEL = re.compile(r"fall|aufnahme|visit|encounter|case|admission|besuch", re.IGNORECASE)
_LONG_NUMBER = re.compile(r"(?<![\w.,/+-])\d{6,12}(?![\w.,/-])")
_PHONE = re.compile(r"tel|fax|phone|mobil|durchwahl|\+\d|iban|plz|pager|ik-?nr|bsnr|lanr", re.IGNORECASE)


def check_names(desk: Desk) -> Iterable[Outcome]:
    """A name after Herr, Frau, Ms, Patient or before a date of birth must be the patient's."""
    fact = desk.book.facts.get("patient.name") or desk.book.facts.get("patient.family")
    physician = desk.book.facts.get("visit.physician")
    parts = [desk.book.facts[h] for h in ("patient.name", "patient.family", "patient.given") if h in desk.book.facts]
    if fact is None:
        return
    known = {norm(w) for f in parts for w in re.findall(r"[\w'’]+", f"{f.value} {f.display.de}")}
    family = _family(desk.book, fact)
    doctors = {norm(w) for w in re.findall(r"\w+", physician.value)} if physician else set()
    seen: list[tuple[int, int]] = []
    for pattern in (_TITLED, _LABELLED, _BEFORE_BIRTH):
        for match in pattern.finditer(desk.page.text):
            start, end = _trimmed(desk.page.text, _on_one_line(desk.page, match), known, family)
            if end <= start or any(s < end and start < e for s, e in seen) or _is_other(desk.page, match, start, end):
                continue
            seen.append((start, end))
            words = [norm(w) for w in re.findall(r"[\w'’]+", desk.page.text[start:end])]
            mention = Mention(
                type="identifier", start=start, end=end, text=desk.page.text[start:end], values=(" ".join(words),)
            )
            if start in desk.own:
                yield supported(mention, desk.own[start])
            elif set(words) <= known and (set(words) & family or len(words) > 1):
                full = fact if len(words) > len(family) else desk.book.facts.get("patient.family", fact)
                yield supported(mention, full)
            elif not (doctors and set(words) <= doctors):
                yield contradicted(mention, fact)


def _family(book: Book, fact: Fact) -> set[str]:
    own = book.facts.get("patient.family")
    words = re.findall(r"[\w'’]+", own.value if own else fact.value)
    return {norm(w) for w in words if not re.fullmatch(_PARTICLE, w)} or {norm(w) for w in words}


def _on_one_line(page: Page, match: "re.Match[str]") -> tuple[int, int]:
    """The name up to a line break that ends the sentence; one that merely wraps is part of it."""
    start, end = match.span("n")
    return start, min(end, max(page.sentence_at(start).end, start))


def _trimmed(text: str, area: tuple[int, int], known: set[str], family: set[str]) -> tuple[int, int]:
    """A name without capitalised words after it that belong to the sentence (German nouns, ``Patient``)."""
    start, end = area
    title = list(_TITLE.finditer(text, start, end))
    start = title[-1].end() if title else start
    words = list(re.finditer(r"[\w'’-]+", text[start:end]))
    while words and norm(words[0][0]) in _STOP_WORDS and norm(words[0][0]) not in known:
        words.pop(0)
    while words and norm(words[-1][0]) in _STOP_WORDS:
        words.pop()
    if "," in text[start:end]:  # Family, Given
        return (start + words[0].start(), start + words[-1].end()) if words else (start, start)
    names = [w for w in words if set(re.findall(r"\w+", norm(w[0]))) & known]
    if names and len(names) < len(words) and set(re.findall(r"\w+", norm(names[-1][0]))) & family:
        while words and words[-1] is not names[-1]:
            words.pop()
    return (start + words[0].start(), start + words[-1].end()) if words else (start, start)


def _is_other(page: Page, match: "re.Match[str]", start: int, end: int) -> bool:
    """Recipients, colleagues and kin are not the patient."""
    before = page.text[max(0, match.start() - 40) : match.start()]
    around = page.text[match.start() : min(len(page.text), end + 2)]
    return bool(
        _PROFESSIONAL.search(around)
        or _KIN.search(before)
        or _SALUTED.search(before.split("\n")[-1])
        or norm(page.text[start:end].split()[0]) in _STOP_WORDS
        or _outside_body(page, match.start())
    )


def _outside_body(page: Page, position: int) -> bool:
    """In the letterhead or address, or among the signatures; a line about the patient counts as body everywhere."""
    line = page.part(page.line_at(position))
    if _ABOUT.search(line):
        return False
    opening, closing = _OPENING.search(page.folded), _CLOSING.search(page.folded)
    return bool((opening and position < opening.start()) or (closing and position > closing.end()))


def check_record_numbers(desk: Desk) -> Iterable[Outcome]:
    """Labelled record and visit numbers, and long numbers that nearly are one of them."""
    patient, visit = desk.book.facts.get("patient.id"), desk.book.facts.get("visit.number")
    facts = [fact for fact in (patient, visit) if fact]
    seen: list[tuple[int, int]] = []
    for match in _NUMBER.finditer(desk.page.text):
        start, end = match.span("n")
        seen.append((start, end))
        if re.fullmatch(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}", match["n"]):
            continue
        preferred = visit if _VISIT_LABEL.search(match["l"]) else patient
        role = [f for f in (preferred, *facts) if f]
        mention = Mention(type="identifier", start=start, end=end, text=match["n"], values=(match["n"],))
        yield settle(
            mention, role=role, strong=False, pool=facts, same=_same_number, own=desk.own.get(start)
        ) or unsupported(mention)
    for match in _LONG_NUMBER.finditer(desk.page.text):
        start, end = match.span()
        line = desk.page.line_at(start)
        if any(s < end and start < e for s, e in seen) or _PHONE.search(desk.page.text[line.start : start]):
            continue
        mention = Mention(type="identifier", start=start, end=end, text=match[0], values=(match[0],))
        equal = next((f for f in facts if _same_number(mention, f)), None)
        near = next((f for f in facts if _nearly(match[0], f.value)), None)
        if equal:
            yield supported(mention, equal)
        elif near:
            yield contradicted(mention, near)


def _bare(value: str) -> str:
    return re.sub(r"[^a-z0-9]", "", value.lower())


def _same_number(mention: Mention, fact: Fact) -> bool:
    return _bare(mention.value) == _bare(fact.value) or _bare(mention.value) == _bare(fact.value.split("|")[-1])


def _nearly(written: str, known: str) -> bool:
    """Same length, at most two digits changed."""
    bare = _bare(known)
    return len(bare) == len(written) and sum(a != b for a, b in zip(bare, written, strict=True)) <= 2
