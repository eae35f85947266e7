"""A letter's text laid out: words, sentences, clauses, headings, all as ranges of code points."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from service.model import Lang

_WORD = re.compile(r"[^\W_]+")
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n\s*")
_BULLET = re.compile(r"[^\S\n]*(?:[-•*–▪]|\(?\d{1,2}[.)])[^\S\n]+\S")
_LABEL = re.compile(r"[^\W\d_][\w ./()-]{0,30}:(?:\s|$)")
_STOP = re.compile(r"[.!?](?=[\s\"“”)]*\s[\"“„(]?[A-ZÄÖÜ0-9\[])")
_CLAUSE = re.compile(
    r"[;()•]|,(?=\s)|\s(?:und|and|sowie|dann|anschließend|danach|then|followed by|mit anschließende[mrn]?|bzw\.)(?=\s)"
)
_ABBREVIATIONS = frozenset(
    [
        "dr",
        "prof",
        "med",
        "dent",
        "phil",
        "rer",
        "nat",
        "univ",
        "z",
        "b",
        "d",
        "h",
        "u",
        "a",
        "bzw",
        "ca",
        "geb",
        "inkl",
        "ggf",
        "sog",
        "st",
        "nr",
        "tel",
        "max",
        "min",
        "i",
        "v",
        "s",
        "c",
        "p",
        "o",
        "tgl",
        "re",
        "li",
        "mr",
        "ms",
        "mrs",
        "vs",
        "e",
        "g",
        "etc",
        "approx",
        "no",
        "jan",
        "feb",
        "mär",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "okt",
        "oct",
        "nov",
        "dez",
        "dec",
        "pat",
        "evtl",
        "exkl",
        "mind",
        "str",
        "abt",
        "fr",
        "hr",
        "lt",
        "o.g",
        "ed",
        "jew",
        "rd",
        "vgl",
        "abs",
        "pkt",
        "gel",
        "usw",
        "dipl",
        "dd",
    ]
)
_ORDINAL_NEXT = re.compile(
    r"\s*(?:\d|bis\b|und\b|–|-|januar|februar|märz|april|mai|juni|juli|august|september|oktober|november|dezember|"
    r"jan\b|feb\b|mär\b|apr\b|jun\b|jul\b|aug\b|sep|okt\b|nov\b|dez\b|fraktion|zyklus|lebensjahr|tag\b|woche|kurs|gabe)",
    re.IGNORECASE,
)
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "é": "e", "è": "e", "á": "a"})
_GERMAN = frozenset("der die das und wir mit bei nach von wurde eine im zur vom sehr geehrte erfolgte ist dem".split())  # noqa: SIM905
_ENGLISH = frozenset("the and of with was we to in for dear patient from received is her his on has been".split())  # noqa: SIM905


@dataclass(frozen=True, slots=True)
class Range:
    """``text[start:end]``."""

    start: int
    end: int

    def holds(self, start: int, end: int) -> bool:
        return self.start <= start and end <= self.end


@dataclass(frozen=True, slots=True)
class Word:
    """A run of letters and digits; ``norm`` is lower case with umlauts written out."""

    start: int
    end: int
    norm: str


def fold(text: str) -> str:
    """Lower case of the same length: a letter whose lower case is two code points stays as it is."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def norm(word: str) -> str:
    return word.lower().translate(_UMLAUTS)


def words_of(text: str) -> list[Word]:
    return [Word(m.start(), m.end(), norm(m[0])) for m in _WORD.finditer(text)]


def detect_language(text: str) -> Lang:
    """German or English by their commonest words; German where neither shows."""
    german = english = 0
    for word in _WORD.findall(text.lower()):
        german += word in _GERMAN
        english += word in _ENGLISH
    return "en" if english > german else "de"


class Page:
    """One letter, laid out once for all checks."""

    def __init__(self, text: str, lang: Lang | None = None) -> None:
        self.text = text
        self.folded = fold(text)
        self.lang: Lang = lang or detect_language(text)

    @cached_property
    def words(self) -> Sequence[Word]:
        return words_of(self.text)

    @cached_property
    def _word_starts(self) -> Sequence[int]:
        return [word.start for word in self.words]

    def words_in(self, start: int, end: int) -> Sequence[Word]:
        """Words that begin in the range."""
        first = bisect_right(self._word_starts, start - 1)
        return self.words[first : bisect_right(self._word_starts, end - 1)]

    @cached_property
    def sections(self) -> Sequence[Range]:
        """Runs between blank lines."""
        return list(_between(self.text, 0, len(self.text), [m.span() for m in _BLANK_LINE.finditer(self.text)]))

    @cached_property
    def sentences(self) -> Sequence[Range]:
        """Sentences, list items and headings."""
        return [piece for section in self.sections for piece in self._cut(section)]

    @cached_property
    def clauses(self) -> Sequence[Range]:
        """Sentences cut at commas, semicolons, brackets and conjunctions."""
        found: list[Range] = []
        for s in self.sentences:
            cuts = [m.span() for m in _CLAUSE.finditer(self.folded, s.start, s.end)]
            found += _between(self.text, s.start, s.end, cuts)
        return found

    def sentence_at(self, position: int) -> Range:
        return _at(self.sentences, position, len(self.text))

    def clause_at(self, position: int) -> Range:
        return _at(self.clauses, position, len(self.text))

    def phrase_at(self, start: int, end: int) -> Range:
        """The clause around a value; where it stands in brackets or alone, with the clause before it."""
        clause = self.clause_at(start)
        rest = self.folded[clause.start : start] + self.folded[min(end, clause.end) : clause.end]
        bracketed = self.text[clause.start - 1 : clause.start] == "("
        if not bracketed and sum(map(str.isalpha, rest)) > 3:
            return clause
        index = bisect_right(self.clauses, clause.start - 1, key=lambda c: c.start) - 1
        another = not bracketed and ")" in self.text[self.clauses[index].end : clause.start]
        if index >= 0 and not another and self.clauses[index].start >= self.sentence_at(start).start:
            return Range(self.clauses[index].start, max(clause.end, end))
        return clause

    def section_at(self, position: int) -> Range:
        return _at(self.sections, position, len(self.text))

    def line_at(self, position: int) -> Range:
        end = self.text.find("\n", position)
        return Range(self.text.rfind("\n", 0, position) + 1, len(self.text) if end < 0 else end)

    def heading_at(self, position: int) -> str:
        """The folded heading of the section (its first line, if that ends with a colon), else empty."""
        section = self.section_at(position)
        first = self.folded[section.start : section.end].split("\n", 1)[0].strip()
        return first if first.endswith(":") and len(first) < 80 else ""

    def is_item(self, position: int) -> bool:
        """Whether the line is a list item."""
        return bool(_BULLET.match(self.text, self.line_at(position).start))

    def part(self, area: Range) -> str:
        """The folded text of a range."""
        return self.folded[area.start : area.end]

    def _cut(self, section: Range) -> Iterator[Range]:
        cuts: list[tuple[int, int]] = []
        for match in _STOP.finditer(self.text, section.start, section.end):
            if not self._is_abbreviation(match.start()):
                cuts.append((match.end(), match.end()))
        position = section.start
        while (newline := self.text.find("\n", position, section.end)) >= 0:
            if self._ends_sentence(section, position, newline):
                cuts.append((newline, newline + 1))
            position = newline + 1
        return _between(self.text, section.start, section.end, sorted(cuts))

    def _is_abbreviation(self, dot: int) -> bool:
        begin = dot
        while begin > 0 and self.text[begin - 1].isalnum():
            begin -= 1
        token = self.folded[begin:dot]
        if token.isdigit() and len(token) <= 2:
            starts_line = not self.text[self.line_at(dot).start : begin].strip()
            return starts_line or bool(_ORDINAL_NEXT.match(self.folded, dot + 1))
        return token in _ABBREVIATIONS and self.text[dot] == "."

    def _ends_sentence(self, section: Range, start: int, newline: int) -> bool:
        """A line break inside a paragraph ends a sentence unless the line merely wraps there: the next
        line goes on in lower case, or its first word would not have fitted."""
        line = self.text[start:newline].rstrip()
        following = self.text[newline + 1 : self.line_at(newline + 1).end].strip()
        if not following or line[-1:] in ".:!?;" or _BULLET.match(self.text, newline + 1):
            return True
        if following[0].islower():
            return False
        if _LABEL.match(following):
            return True
        longest = max(map(len, self.text[section.start : section.end].split("\n")))
        return longest < 50 or len(line) + 1 + len(following.split()[0]) <= longest


def _between(text: str, start: int, end: int, cuts: Sequence[tuple[int, int]]) -> Iterator[Range]:
    """The stretches between the cuts, without white space at their ends, empty ones dropped."""
    for stop, following in [*cuts, (end, end)]:
        left, right = start, min(max(stop, start), end)
        while left < right and text[left].isspace():
            left += 1
        while right > left and text[right - 1].isspace():
            right -= 1
        if left < right:
            yield Range(left, right)
        start = max(following, start)


def _at(ranges: Sequence[Range], position: int, length: int) -> Range:
    """The range that holds a position; between two ranges, an empty one."""
    index = bisect_right(ranges, position, key=lambda r: r.start) - 1
    if index >= 0 and position < max(ranges[index].end, ranges[index].start + 1):
        return ranges[index]
    return Range(position, min(position, length))
