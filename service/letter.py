"""A letter: handles filled in with exact spans, cut into sections, edited, kept and read back.

The model writes ``[[handle]]`` or ``[[handle:form]]``; :func:`resolve` puts the chart's display in
its place and remembers where. All offsets count Unicode code points.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from typing import Any

from service.errors import UnusableInput
from service.model import (
    Chart,
    ChartRef,
    Display,
    Fact,
    FactType,
    Finding,
    FindingKind,
    Lang,
    Letter,
    RawLetter,
    Severity,
    Span,
    Verification,
    WriterInfo,
)

BLANK = "____"
"""What stands where a handle has no fact: visible, and a blocking finding of ``verify``."""

FORMS: Mapping[FactType, frozenset[str]] = {
    FactType.DATE: frozenset({"month", "year"}),
    FactType.SALUTATION: frozenset({"acc"}),
}
"""The closed list of grammatical forms a handle may ask for, by type of its fact."""

_HANDLE = re.compile(r"\[\[([a-z0-9_.]+)(?::([a-z]+))?\]\]")
_ANY_HANDLE = re.compile(_HANDLE.pattern + r"|\[\[[^\[\]\n]*\]\]|\[\[[\w.:]*\]?|\]\]")
_TOKEN = re.compile(r"\w+|\W")
_MONTHS: Mapping[Lang, Sequence[str]] = {
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


# ---------------------------------------------------------------- filling in


def resolve(raw: RawLetter, chart: Chart) -> Letter:
    """Fill a raw letter's handles from the chart.

    A handle that the chart lacks, a form that its type does not know and a broken handle become
    :data:`BLANK` and carry no span.
    """
    facts = {fact.handle: fact for fact in chart.facts}
    parts: list[str] = []
    spans: list[Span] = []
    length = 0
    last = 0
    for match in _ANY_HANDLE.finditer(raw.raw):
        fact = facts.get(match[1]) if match[1] else None
        shown = display(fact, raw.lang, match[2]) if fact else None
        before = raw.raw[last : match.start()]
        start = length + len(before)
        filled = shown or BLANK
        if fact and shown:
            spans.append(Span(start=start, end=start + len(shown), handle=fact.handle, source=fact.source, text=shown))
        parts += (before, filled)
        length = start + len(filled)
        last = match.end()
    parts.append(raw.raw[last:])
    return Letter(lang=raw.lang, raw=raw.raw, text="".join(parts), spans=tuple(spans), writer=raw.writer)


def display(fact: Fact, lang: Lang, form: str | None = None) -> str | None:
    """A fact's value as the letter writes it; None if its type does not know the form."""
    shown = fact.display.in_(lang)
    if form is None:
        return shown
    if form not in FORMS.get(fact.type, frozenset()):
        return None
    if form == "acc":
        return "Herrn" if lang == "de" and shown == "Herr" else shown
    year, *rest = fact.value.split("-")
    if form == "year" or not rest:
        return year
    month = int(rest[0]) if rest[0].isdecimal() else 0
    return f"{_MONTHS[lang][month - 1]} {year}" if 1 <= month <= 12 else None


# ---------------------------------------------------------------- sections and edits


@dataclass(frozen=True, kw_only=True)
class Section:
    """``text[start:end]`` without the blank lines around it; ``title`` is its heading without the colon, or empty."""

    start: int
    end: int
    title: str


def sections(text: str) -> tuple[Section, ...]:
    """Cut a letter at its blank lines. A first line that ends with ``:`` is the section's title."""
    found: list[Section] = []
    for match in re.finditer(r"(?:^[^\S\n]*\S.*(?:\n|\Z))+", text, re.MULTILINE):
        body = match[0].rstrip()
        heading = body.split("\n", 1)[0].strip()
        title = heading[:-1].strip() if heading.endswith(":") else ""
        found.append(Section(start=match.start(), end=match.start() + len(body), title=title))
    return tuple(found)


def replace_section(text: str, index: int, new: str) -> str:
    """The letter with its section number ``index`` (from 0) rewritten; an empty ``new`` removes it.

    Raises:
        UnusableInput: there is no such section.
    """
    found = sections(text)
    if not 0 <= index < len(found):
        raise UnusableInput("section", remedy=f"Name a section from 0 to {len(found) - 1}.")
    section = found[index]
    body = new.strip("\r\n")
    if body.strip():
        return text[: section.start] + body + text[section.end :]
    return text[: section.start] + text[section.end :].lstrip("\n")


def carry_spans(old: Letter, new_text: str) -> tuple[Span, ...]:
    """The spans of an edited letter that still stand: own words and both neighbours unchanged.

    Compared word by word, not letter by letter: a digit put before a dose makes another word of it,
    and 4,000 code points are compared in milliseconds.
    """
    if old.text == new_text:
        return old.spans
    before, after = _TOKEN.findall(old.text), _TOKEN.findall(new_text)
    old_starts, new_starts = _starts(before), _starts(after)
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    middle = SequenceMatcher(
        None, before[head : len(before) - tail], after[head : len(after) - tail], autojunk=False
    ).get_matching_blocks()
    blocks = [(0, 0, head), *((head + b.a, head + b.b, b.size) for b in middle if b.size)]
    blocks.append((len(before) - tail, len(after) - tail, tail))

    kept: list[Span] = []
    for span in old.spans:
        for first, moved, size in _joined(blocks):
            begin, end = old_starts[first], old_starts[first + size]
            left = first == moved == 0 or begin < span.start
            right = (first + size == len(before) and moved + size == len(after)) or span.end < end
            if begin <= span.start and span.end <= end and left and right:
                start = span.start + new_starts[moved] - begin
                stop = start + span.end - span.start
                kept.append(Span(start=start, end=stop, handle=span.handle, source=span.source, text=span.text))
                break
    return tuple(kept)


def _starts(tokens: Sequence[str]) -> list[int]:
    starts = [0]
    for token in tokens:
        starts.append(starts[-1] + len(token))
    return starts


def _joined(blocks: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Matching blocks with neighbours that touch on both sides made one."""
    joined: list[tuple[int, int, int]] = []
    for first, moved, size in blocks:
        if joined and joined[-1][0] + joined[-1][2] == first and joined[-1][1] + joined[-1][2] == moved:
            joined[-1] = (joined[-1][0], joined[-1][1], joined[-1][2] + size)
        else:
            joined.append((first, moved, size))
    return [block for block in joined if block[2]]


# ---------------------------------------------------------------- findings


def finding_key(finding: Finding) -> str:
    """Sixteen hex digits under which a physician's decision about a finding is kept.

    The same fault keeps its key when text before it moves it, or spacing and case change. The chart's
    value is part of it: when the chart changes, an old decision no longer covers the finding. A
    digest, because the text may name a patient and keys travel in addresses.
    """
    handle, value = (finding.chart.handle, finding.chart.value) if finding.chart else ("", "")
    words = " ".join(finding.text.split()).casefold()
    parts = "\x1f".join((finding.kind.value, finding.type, handle, value, words))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:16]


# ---------------------------------------------------------------- to JSON and back


def letter_payload(letter: Letter) -> dict[str, Any]:
    """A letter as JSON values: ``{lang, raw, text, spans: [{span, handle, source}], writer}``."""
    return {
        "lang": letter.lang,
        "raw": letter.raw,
        "text": letter.text,
        "spans": span_payloads(letter.spans),
        "writer": asdict(letter.writer) if letter.writer else None,
    }


def letter_from_payload(payload: Mapping[str, Any]) -> Letter:
    """Raises KeyError or TypeError on what :func:`letter_payload` did not write."""
    text: str = payload["text"]
    return Letter(
        lang=payload["lang"],
        raw=payload["raw"],
        text=text,
        spans=tuple(_span(each, text) for each in payload["spans"]),
        writer=WriterInfo(**payload["writer"]) if payload["writer"] else None,
    )


def span_payloads(spans: Sequence[Span]) -> list[dict[str, Any]]:
    """``[{span: [start, end], text, handle, source}]``."""
    return [
        {"span": [span.start, span.end], "text": span.text, "handle": span.handle, "source": span.source}
        for span in spans
    ]


def _span(payload: Mapping[str, Any], text: str | None = None) -> Span:
    start, end = payload["span"]
    words = text[start:end] if text is not None else payload["text"]
    return Span(start=start, end=end, handle=payload["handle"], source=payload["source"], text=words)


def verification_payload(verification: Verification) -> dict[str, Any]:
    """As :func:`verification_report`, with ``message`` in both languages (``{de, en}``) for keeping."""
    return _verification(verification, None)


def verification_report(verification: Verification, lang: Lang) -> dict[str, Any]:
    """The contract's JSON of ``verify --json``, each finding with its ``key`` besides."""
    return _verification(verification, lang)


def _verification(verification: Verification, lang: Lang | None) -> dict[str, Any]:
    return {
        "verdict": verification.verdict,
        "findings": [_finding_payload(finding, lang) for finding in verification.findings],
        "supported": span_payloads(verification.supported),
        "facts": {
            "stated": verification.stated,
            "left_out": verification.left_out,
            "missing": verification.missing,
        },
    }


def _finding_payload(finding: Finding, lang: Lang | None) -> dict[str, Any]:
    return {
        "key": finding_key(finding),
        "kind": finding.kind.value,
        "type": finding.type,
        "span": list(finding.span) if finding.span else None,
        "text": finding.text,
        "severity": finding.severity.value,
        "chart": asdict(finding.chart) if finding.chart else None,
        "message": finding.message.in_(lang) if lang else asdict(finding.message),
    }


def verification_from_payload(payload: Mapping[str, Any]) -> Verification:
    """Raises KeyError or TypeError on what :func:`verification_payload` did not write."""
    return Verification(
        verdict=payload["verdict"],
        findings=tuple(_finding(each) for each in payload["findings"]),
        supported=tuple(_span(each) for each in payload["supported"]),
        **payload["facts"],
    )


def _finding(payload: Mapping[str, Any]) -> Finding:
    span = payload["span"]
    return Finding(
        kind=FindingKind(payload["kind"]),
        type=payload["type"],
        span=(span[0], span[1]) if span else None,
        text=payload["text"],
        severity=Severity(payload["severity"]),
        chart=ChartRef(**payload["chart"]) if payload["chart"] else None,
        message=Display(**payload["message"]),
    )
