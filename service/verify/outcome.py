"""What a check says: a supported span, or a finding with its severity and its words in both languages."""

from collections.abc import Callable, Sequence

from service.model import ChartRef, Display, Fact, FactType, Finding, FindingKind, Severity, Span
from service.verify.extract import Mention

Outcome = Finding | Span

_WARN_IF_CONTRADICTED = frozenset({"lab", "grade", "age"})
_BLOCK_IF_UNSUPPORTED = frozenset(
    {"dose", "fractions", "icd10", "tnm", "stage", "drug", "drug_dose", "identifier", "appointment"}
)
_TYPES = {FactType.DOSE_PER_FRACTION: "dose", FactType.GRADING: "grade", FactType.NAME: "identifier"}
_NOUNS = {
    "dose": ("Dosis", "dose"),
    "fractions": ("Fraktionszahl", "number of fractions"),
    "date": ("Datum", "date"),
    "icd10": ("ICD-10-Code", "ICD-10 code"),
    "tnm": ("TNM", "TNM"),
    "stage": ("Stadium", "stage"),
    "drug": ("Arzneimittel", "drug"),
    "drug_dose": ("Arzneimitteldosis", "drug dose"),
    "lab": ("Laborwert", "lab value"),
    "grade": ("Grad", "grade"),
    "laterality": ("Seite", "side"),
    "age": ("Alter", "age"),
    "sex": ("Geschlecht", "sex"),
    "identifier": ("Patientenangabe", "patient identity"),
    "negation": ("Verneinung", "negation"),
    "appointment": ("Termin", "appointment"),
    "sentence": ("Aussage", "statement"),
}


def contract_type(kind: str) -> str:
    return "dose" if kind == "dose_per_fraction" else kind


def type_of(fact: Fact) -> str:
    """The contract's word for a fact: appointments as such, all doses alike, else its type."""
    if fact.handle.startswith("appointment."):
        return "appointment"
    return _TYPES.get(fact.type, fact.type.value)


def reference(fact: Fact) -> ChartRef:
    value = f"{fact.value} {fact.unit}" if fact.unit and not fact.value.endswith(fact.unit) else fact.value
    return ChartRef(handle=fact.handle, value=value, source=fact.source)


def supported(mention: Mention, fact: Fact) -> Span:
    return Span(start=mention.start, end=mention.end, handle=fact.handle, source=fact.source, text=mention.text)


def contradicted(
    mention: Mention, fact: Fact, *, role: Display | None = None, severity: Severity | None = None
) -> Finding:
    """The letter says one thing, the chart's fact of this role another."""
    kind = contract_type(mention.type)
    de, en = _NOUNS[kind]
    why = role or Display(
        de=f"{de} „{mention.text}“ widerspricht der Akte: dort {fact.display.de}.",
        en=f"The {en} “{mention.text}” contradicts the chart, which has {fact.display.en}.",
    )
    usual = Severity.WARN if kind in _WARN_IF_CONTRADICTED else Severity.BLOCK
    return _finding(FindingKind.CONTRADICTED, mention, severity or usual, fact, why)


def unsupported(mention: Mention, *, severity: Severity | None = None, why: Display | None = None) -> Finding:
    """The chart has nothing that says this."""
    kind = contract_type(mention.type)
    de, en = _NOUNS[kind]
    told = why or Display(
        de=f"{de} „{mention.text}“ hat keine Quelle in der Akte.",
        en=f"The {en} “{mention.text}” has no source in the chart.",
    )
    usual = Severity.BLOCK if kind in _BLOCK_IF_UNSUPPORTED else Severity.WARN
    return _finding(FindingKind.UNSUPPORTED, mention, severity or usual, None, told)


def miscalculated(mention: Mention, *, de: str, en: str) -> Finding:
    """The letter's own figures do not agree with each other."""
    return _finding(FindingKind.ARITHMETIC, mention, Severity.BLOCK, None, Display(de=de, en=en))


def _finding(kind: FindingKind, mention: Mention, severity: Severity, fact: Fact | None, message: Display) -> Finding:
    return Finding(
        kind=kind,
        type=contract_type(mention.type),
        span=(mention.start, mention.end),
        text=mention.text,
        severity=severity,
        chart=reference(fact) if fact else None,
        message=message,
    )


def settle(
    mention: Mention,
    *,
    role: Sequence[Fact],
    strong: bool,
    pool: Sequence[Fact],
    same: Callable[[Mention, Fact], bool],
    own: Fact | None = None,
) -> Outcome | None:
    """Judge a value by the role its sentence gives it.

    Args:
        role: the facts that the sentence may mean, the likeliest first; empty if it does not say.
        strong: whether the sentence says so clearly enough that the value of another fact is wrong there.
        pool: every fact of the type.
        own: the fact of the handle that wrote the value, if one did.

    Returns:
        None where nothing is known to compare with; the caller decides what that means.
    """
    for fact in role:
        if same(mention, fact) and (own is None or own.value == fact.value or not strong):
            return supported(mention, own or fact)
    other = own or next((fact for fact in pool if same(mention, fact)), None)
    if other and role and strong:
        meant = role[0]
        return contradicted(
            mention,
            meant,
            role=Display(
                de=f"„{mention.text}“ steht in der Akte an anderer Stelle ({other.handle}); hier gemeint ist "
                f"{meant.handle}: {meant.display.de}.",
                en=f"“{mention.text}” belongs to {other.handle} in the chart; this place means "
                f"{meant.handle}: {meant.display.en}.",
            ),
        )
    if other:
        return supported(mention, other)
    return contradicted(mention, role[0]) if role else None
