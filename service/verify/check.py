"""The check of one letter against one chart, in the order a reader would do it.

Every pattern is compiled when its module is loaded, every word is looked up once: a letter of two pages
takes about 10 ms on one core, so that a review can verify on each edit.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from service.model import Chart, Fact, FactType, Finding, FindingKind, Lang, Severity, Span, Verification
from service.verify.amounts import check_amounts, find_amounts
from service.verify.arithmetic import check_arithmetic
from service.verify.book import Book, Names
from service.verify.chart_notes import check_chart_notes
from service.verify.codes import find_grades, find_icd10, find_stages, find_tnm
from service.verify.dates import find_dates, same_date
from service.verify.desk import Desk
from service.verify.diagnoses import check_grades, check_icd10, check_stages, check_tnm
from service.verify.doses import find_doses
from service.verify.drugs import check_drugs
from service.verify.extract import Mention
from service.verify.identifiers import check_names, check_record_numbers
from service.verify.labs import check_labs, check_times
from service.verify.negation import check_negations
from service.verify.omissions import find_terms, keep_ledger
from service.verify.outcome import Outcome
from service.verify.page import Page
from service.verify.persons import check_age, check_sex
from service.verify.pharmacy import Pharmacy, find_drugs
from service.verify.sentences import check_blanks, check_repetitions, check_sentences
from service.verify.sides import check_sides
from service.verify.timeline import check_dates
from service.verify.volumes import check_doses


def verify(text: str, chart: Chart, lang: Lang | None = None, *, spans: Sequence[Span] = ()) -> Verification:
    """Check any plain-text letter against a chart.

    Args:
        lang: the letter's language; detected if None.
        spans: handles' spans from generation (:attr:`service.model.Letter.spans`). Their value is the chart's
            by construction; their role in the sentence is checked like any other.

    Returns:
        Findings in the order of the text, omissions last; ``supported`` spans without overlap; every offset
        in Unicode code points of ``text`` as given.
    """
    page, book = Page(text, lang), Book(chart)
    pharmacy = Pharmacy(book)
    filled = _standing(spans, page, book)
    desk = Desk(
        page=page,
        book=book,
        names=Names(page, book),
        pharmacy=pharmacy,
        own={span.start: book.facts[span.handle] for span in filled},
        drugs=find_drugs(page, pharmacy),
    )
    outcomes = list(_typed_values(desk))
    findings = _distinct(o for o in outcomes if isinstance(o, Finding))
    supported = _without_overlap((*filled, *(o for o in outcomes if isinstance(o, Span)), *find_terms(desk)), findings)
    findings += [o for o in check_repetitions(page, supported) if isinstance(o, Finding)]
    findings += [o for o in check_sentences(desk, supported, findings) if isinstance(o, Finding)]
    findings.sort(key=lambda f: f.span or (len(text), len(text)))
    ledger = keep_ledger(desk, supported, findings)
    findings += [*check_chart_notes(book), *ledger.findings]
    return Verification(
        verdict=_verdict(findings),
        findings=tuple(findings),
        supported=tuple(supported),
        stated=ledger.stated,
        left_out=ledger.left_out,
        missing=ledger.missing,
    )


def _typed_values(desk: Desk) -> Iterable[Outcome]:
    page = desk.page
    dates = find_dates(page)
    doses = [m for m in find_doses(page) if not _overlap(m, dates)]
    amounts = [m for m in find_amounts(page) if not _overlap(m, dates) and not _overlap(m, doses)]
    yield from check_doses(desk, doses)
    yield from check_dates(desk, dates)
    yield from check_icd10(desk, find_icd10(page, {fact.value for fact in desk.book.typed(FactType.ICD10)}))
    yield from check_tnm(desk, find_tnm(page))
    yield from check_stages(desk, find_stages(page))
    yield from check_drugs(desk)
    yield from check_amounts(desk, amounts)
    yield from check_labs(desk)
    yield from check_grades(desk, find_grades(page))
    yield from check_times(desk, dates)
    yield from check_sides(desk)
    yield from check_names(desk)
    yield from check_record_numbers(desk)
    yield from check_age(desk)
    yield from check_sex(desk)
    yield from check_negations(desk)
    yield from check_arithmetic(page, doses)
    yield from check_blanks(page)


def _verdict(findings: Iterable[Finding]) -> Literal["blocked", "flagged", "clean"]:
    severities = {finding.severity for finding in findings}
    if Severity.BLOCK in severities:
        return "blocked"
    return "flagged" if Severity.WARN in severities else "clean"


def _standing(spans: Sequence[Span], page: Page, book: Book) -> list[Span]:
    """The given spans that still hold their fact's display: after an edit or a changed chart others count as typed."""
    kept: list[Span] = []
    for span in spans:
        fact = book.facts.get(span.handle)
        written = page.text[span.start : span.end]
        if fact and written and written == span.text and _shows(written, fact):
            kept.append(span)
    return kept


def _shows(written: str, fact: Fact) -> bool:
    shown = {fact.display.de, fact.display.en}
    if written in shown or (written == "Herrn" and "Herr" in shown):
        return True
    dates = find_dates(Page(f"({written}", "de"))
    return bool(dates) and same_date(dates[0].values, fact.value)


def _overlap(mention: Mention, others: Sequence[Mention]) -> bool:
    return any(other.start < mention.end and mention.start < other.end for other in others)


def _distinct(findings: Iterable[Finding]) -> list[Finding]:
    """One finding of a kind and type a place."""
    seen: set[tuple[FindingKind, str, tuple[int, int] | None]] = set()
    kept: list[Finding] = []
    for finding in findings:
        key = (finding.kind, finding.type, finding.span)
        if key not in seen:
            seen.add(key)
            kept.append(finding)
    return kept


def _without_overlap(spans: Iterable[Span], findings: Sequence[Finding]) -> list[Span]:
    """Earlier checks win over later ones, and a fault over the support of what it overlaps."""
    taken = [finding.span for finding in findings if finding.span]
    kept: list[Span] = []
    for span in spans:
        if not any(start < span.end and span.start < end for start, end in taken):
            kept.append(span)
            taken.append((span.start, span.end))
    return sorted(kept, key=lambda span: span.start)
