"""Words that strict decoding must know: names that legitimately carry a digit, number words, units."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from service.verify.numbers import NUMBER_WORDS

DIGIT_TERMS: Sequence[str] = (
    # criteria and classifications, as names: a grade or a stage is a value and has a handle
    "CTCAE v3",
    "CTCAE v4",
    "CTCAE v4.0",
    "CTCAE v4.03",
    "CTCAE v5",
    "CTCAE v5.0",
    "CTCAE 5.0",
    "ICD-10",
    "ICD-10-GM",
    "ICD-10-CM",
    "RECIST 1.1",
    # markers and receptors
    "HER2",
    "HER-2",
    "Her2",
    "HER2/neu",
    "Her2/neu",
    "Ki-67",
    "Ki67",
    "CA 15-3",
    "CA 19-9",
    "CA 125",
    "CA 72-4",
    "CA-125",
    "CYFRA 21-1",
    "Cyfra 21-1",
    "p16",
    "p53",
    "BRCA1",
    "BRCA2",
    "PD-1",
    "PD-L1",
    "CD20",
    "CD30",
    "CK5/6",
    "GD2",
    "B12",
    "HPV16",
    "SARS-CoV-2",
    # techniques and imaging
    "3D",
    "4D",
    "2D",
    "18F-FDG",
    "68Ga-PSMA",
    "68Ga-DOTATATE",
    "18F-PSMA",
    "177Lu-PSMA",
    "Lu-177",
    "I-125",
    "Ir-192",
    "Co-60",
)
LIST_NUMBERS: Sequence[str] = tuple(f"{n}{mark} " for n in range(1, 31) for mark in ".)")
"""Allowed at the start of a line only."""

ARTICLES: Sequence[str] = ("ein", "eine", "einen", "einem", "einer", "one", "a", "an", "single", "einmal", "einzelne")
"""Count before a unit of dose ("eine Fraktion", "one fraction"), though elsewhere they are articles."""

OTHER_COUNTS: Sequence[str] = ("hundred", "thousand", "halb", "halbe", "anderthalb", "dozen", "dutzend")

UNIT_STEMS: Sequence[str] = (
    "fraktionen",
    "fractions",
    "sitzung",
    "zykl",
    "cycle",
    "milligramm",
    "milligram",
    "bestrahlungen",
    "tablet",
)
"""No word that begins so may follow a number word."""

UNIT_WORDS: Sequence[str] = (
    "gy",
    "cgy",
    "gray",
    "grays",
    "mg",
    "ml",
    "kg",
    "µg",
    "μg",
    "mcg",
    "g",
    "gramm",
    "gram",
    "grams",
    "fraktion",
    "fraction",
    "session",
    "sessions",
    "iu",
    "ie",
)
"""No such whole word may; longer ones ("Fraktionierung", "eine gynäkologische Kontrolle") may."""

WINDOW = 3
"""Words after a number word that may not be a unit: "sechs weitere Zyklen", "zwei volle Zyklen"."""


@dataclass(frozen=True, kw_only=True)
class Trie:
    """A set of words as nodes 0 (root) to n; ``marks`` holds each whole word's mark at its last node."""

    children: tuple[dict[str, int], ...]
    marks: tuple[str, ...]

    def step(self, node: int, char: str) -> int:
        """The child node, or -1."""
        return self.children[node].get(char, -1)


def build_trie(words: Iterable[tuple[str, str]]) -> Trie:
    """From (word, mark) pairs; the mark must not be empty."""
    children: list[dict[str, int]] = [{}]
    marks = [""]
    for word, mark in words:
        node = 0
        for char in word:
            following = children[node].get(char)
            if following is None:
                following = len(children)
                children[node][char] = following
                children.append({})
                marks.append("")
            node = following
        marks[node] = mark
    return Trie(children=tuple(children), marks=tuple(marks))


@cache
def terms() -> Trie:
    """Terms with digits; list numbers lie behind a line break."""
    return build_trie([*((term, "term") for term in DIGIT_TERMS), *((f"\n{each}", "list") for each in LIST_NUMBERS)])


@cache
def numbers() -> Trie:
    """Number words in lower case, one word each ("twenty-five" is two)."""
    words = {part for word in NUMBER_WORDS for part in word.replace("-", " ").split()}
    return build_trie((word, "number") for word in sorted({*words, *ARTICLES, *OTHER_COUNTS, *_german_hundreds(words)}))


def _german_hundreds(words: Iterable[str]) -> Iterator[str]:
    """German writes these as one word; up to 999, and whole hundreds above ("zweitausendfünfhundert")."""
    ones = ("", "ein", "zwei", "drei", "vier", "fünf", "fuenf", "sechs", "sieben", "acht", "neun")
    hundreds = [f"{one}hundert" for one in ones]
    for whole in hundreds:
        yield whole
        yield from (f"{whole}{word}" for word in (*words, "ein", "eins"))
    for one in ones:
        yield f"{one}tausend"
        yield from (f"{one}tausend{whole}" for whole in hundreds)


@cache
def units() -> Trie:
    """Units in lower case."""
    return build_trie([*((word, "word") for word in UNIT_WORDS), *((stem, "stem") for stem in UNIT_STEMS)])
