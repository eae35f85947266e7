"""Prose that states something clinical which nothing in the chart says; blanks; what stands twice in a list."""

import re
from collections.abc import Iterable, Sequence

from service.model import Display, Finding, Severity, Span
from service.verify.desk import Desk
from service.verify.extract import Mention
from service.verify.outcome import Outcome, unsupported
from service.verify.page import Page, Range
from service.verify.vocabulary import concepts_of, generic_words, phrases_in

_BLANK = re.compile(r"_{3,}")
_LETTERS = re.compile(r"[a-zäöü]")
# diseases and events; concepts that are places, procedures' wards or ways of treatment claim nothing by themselves
_CLAIMING = frozenset(
    [
        "hypertension",
        "diabetes",
        "atrialfibrillation",
        "copd",
        "asthma",
        "hypothyroidism",
        "hyperthyroidism",
        "hashimoto",
        "coronary",
        "infarction",
        "stroke",
        "heartfailure",
        "renalfailure",
        "depression",
        "osteoporosis",
        "hyperlipidaemia",
        "gout",
        "reflux",
        "hepatitis",
        "hiv",
        "thrombosis",
        "embolism",
        "pneumonia",
        "epilepsy",
        "dementia",
        "parkinson",
        "migraine",
        "psoriasis",
        "glaucoma",
        "sleepapnoea",
        "arthrosis",
        "rheumatoid",
        "bph",
        "dermatitis",
        "mucositis",
        "esophagitis",
        "dysphagia",
        "nausea",
        "vomiting",
        "fatigue",
        "diarrhoea",
        "cystitis",
        "proctitis",
        "pneumonitis",
        "xerostomia",
        "pruritus",
        "alopecia",
        "neutropenia",
        "anaemia",
        "thrombocytopenia",
        "leukopenia",
        "lymphoedema",
        "oedema",
        "anorexia",
        "weightloss",
        "hotflush",
        "neuropathy",
        "incontinence",
        "constipation",
        "fever",
        "mastectomy",
        "lobectomy",
        "prostatectomy",
        "breastconserving",
        "brachytherapy",
    ]
)
_CLAIM = re.compile(
    r"metasta|rezidiv|recurren|progress|remission|fraktur|fracture|blutung|bleeding|haemorrhag|hemorrhag|sepsis|infekt(?!iolog)|infection|"
    r"operiert|operation|verstorben|died|\bgestorben|reoperat|transfus|zirrhose|cirrhosis|sklerose|sclerosis|leukämie|leukaemia|leukemia"
)
_DISEASE = re.compile(
    r"\b\w{4,}(?:itis|ose|ämie|aemia|emia|pathie|pathy|insuffizienz|stenose|stenosis|syndrom|syndrome|ektomie|ectomy)\b"
)
_NOT_DISEASE = re.compile(
    r"\b\w*(?:diagnose|dose|prognose|narkose|gesamtdose|einzeldose|close|those|whose|purpose|choose|loose|lose|nose)\b"
)
_OPEN = re.compile(
    r"sollte|sollten|bitte|empfehl|bei\s+(?:auftreten|bedarf|verdacht|zunahme|persist|beschwerden|verschlechter|\w+\s+bitte)|falls|"
    r"should|please|recommend|in case|\bif\b|would|könn|may\b|might|risik|risk|aufgeklärt|aufklärung|informed|advise|suggest|"
    r"kontroll|ausschluss|exclude|rule out|nachsorge|follow-up|verlaufskontrolle|prophyla|vorbeug|vermeid|avoid|wünsch|wish|"
    r"achten|weiterhin gutes|spätfolgen|late effects|\?"
)
_TELLING = frozenset({"drug", "icd10", "negation", "sentence", "identifier"})
_NEGATED = re.compile(r"\b(?:kein\w*|ohne|no|not|without|nicht|weder|neither|nor|denies|free of|frei von|negativ)\b")
_FAMILY = re.compile(r"mutter|vater|schwester|bruder|mother|father|sister|brother|famil|aunt|tante")


def check_blanks(page: Page) -> Iterable[Outcome]:
    """A blank left by a handle without a fact."""
    for match in _BLANK.finditer(page.text):
        start, end = match.span()
        line = page.line_at(start)
        if not _LETTERS.search(page.part(line).replace("_", "")) and end - start > 8:
            continue  # a ruled line
        yield unsupported(
            _sentence(page, Range(start, end)),
            severity=Severity.BLOCK,
            why=Display(
                de="Hier fehlt ein Wert: die Akte hat keine Angabe für diese Stelle.",
                en="A value is missing here: the chart has none for this place.",
            ),
        )


def check_sentences(desk: Desk, supported: Sequence[Span], findings: Sequence[Finding]) -> Iterable[Outcome]:
    """Warn of clinical statements without any support. Greeting, advice, denial and connecting prose claim nothing."""
    known = desk.book.keys
    for sentence in desk.page.sentences:
        words = desk.page.part(sentence)
        backed = any(sentence.holds(s.start, s.end) for s in supported)
        if backed and not desk.page.is_item(sentence.start) and not _lone_claim(desk.page, sentence, known):
            continue
        if any(f.span and sentence.holds(*f.span) and f.type in _TELLING for f in findings):
            continue
        if words.endswith(":") or _OPEN.search(words) or _NEGATED.search(words) or _FAMILY.search(words):
            continue
        claim = _claim(desk, sentence, known, whole=not backed and desk.page.is_item(sentence.start))
        if claim:
            yield unsupported(
                _sentence(desk.page, claim),
                why=Display(
                    de="Für diese Aussage gibt es keine Quelle in der Akte.",
                    en="Nothing in the chart says this.",
                ),
            )


def _claim(desk: Desk, sentence: Range, known: frozenset[str], *, whole: bool) -> Range | None:
    """The words that name a disease or event the chart does not know; the sentence's other words stay unmarked, but a list item
    without any support is one claim (``whole``)."""
    here = desk.page.words_in(sentence.start, sentence.end)
    phrased = {word.start: concept for word, concept in phrases_in(here)}
    for word in here:
        concepts = set(concepts_of(word.norm))
        if word.start in phrased:
            concepts.add(phrased[word.start])
        claimed = concepts & _CLAIMING
        text = desk.page.folded[word.start : word.end]
        disease = _DISEASE.fullmatch(text) and not _NOT_DISEASE.fullmatch(text) and not concepts
        if claimed and not claimed & known:
            return Range(word.start, word.end) if not whole else sentence
        if (disease or _CLAIM.search(text)) and text[:6] not in desk.book.prose and word.norm not in generic_words():
            return Range(word.start, word.end) if not whole else sentence
    return None


def _lone_claim(page: Page, sentence: Range, known: frozenset[str]) -> bool:
    """A sentence with a supported value may still claim another thing; only plainly named diseases count then."""
    for word in page.words_in(sentence.start, sentence.end):
        claimed = concepts_of(word.norm) & _CLAIMING
        if claimed and not claimed & known:
            return True
    return False


def _sentence(page: Page, area: Range) -> Mention:
    text = page.text[area.start : area.end]
    return Mention(type="sentence", start=area.start, end=area.end, text=text, values=(text,))


def check_repetitions(page: Page, supported: Sequence[Span]) -> Iterable[Outcome]:
    """A list item that states what an item above it in the same list stated already."""
    for section in page.sections:
        seen_words: set[str] = set()
        seen_facts: set[frozenset[str]] = set()
        position = section.start
        for line in page.text[section.start : section.end].split("\n"):
            area = Range(position, position + len(line))
            position += len(line) + 1
            if not page.is_item(area.start):
                if line[:1].strip():  # another list begins; an indented line goes on with its item
                    seen_words, seen_facts = set(), set()
                continue
            words = " ".join(line.casefold().split())
            facts = frozenset(s.handle for s in supported if area.holds(s.start, s.end))
            if words in seen_words or (len(facts) > 1 and facts in seen_facts):
                body = line.lstrip(" \t-•*–▪")
                start = area.start + len(line) - len(body)
                yield unsupported(
                    _sentence(page, Range(start, start + len(body.rstrip()))),
                    why=Display(
                        de="Dieser Listenpunkt steht zweimal in der Liste.", en="This item stands twice in the list."
                    ),
                )
            seen_words.add(words)
            seen_facts.add(facts)
