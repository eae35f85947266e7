"""A letter, who wrote it, and what the check found in it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from service.model.chart import Display, Lang


@dataclass(frozen=True, kw_only=True)
class WriterInfo:
    """Who wrote a draft: SHA-256 digests of base, LoRA adapter, prompt version, handle version."""

    base: str
    lora: str
    prompt: str
    handles: str
    tokens: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class RawLetter:
    """What the model wrote: text with ``[[handle]]`` or ``[[handle:form]]``."""

    raw: str
    lang: Lang
    writer: WriterInfo


@dataclass(frozen=True, kw_only=True)
class Span:
    """``text[start:end]`` (Unicode code points) is the value of ``handle``."""

    start: int
    end: int
    handle: str
    source: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A letter with its values filled in. An unresolvable handle is a visible blank."""

    lang: Lang
    raw: str
    text: str
    spans: tuple[Span, ...]
    writer: WriterInfo | None = None


class FindingKind(StrEnum):
    CONTRADICTED = "contradicted"
    UNSUPPORTED = "unsupported"
    OMITTED = "omitted"
    ARITHMETIC = "arithmetic"


class Severity(StrEnum):
    BLOCK = "block"
    WARN = "warn"
    INFO = "info"


@dataclass(frozen=True, kw_only=True)
class ChartRef:
    """The fact a finding speaks of."""

    handle: str
    value: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing to look at. ``span`` is tight; an omission has none and names the fact in ``chart``.

    ``type`` is one of the contract's words: dose, fractions, date, icd10, tnm, stage, drug,
    drug_dose, lab, grade, laterality, age, sex, identifier, negation, appointment, sentence; for
    an omission of any other fact, its fact type.
    """

    kind: FindingKind
    type: str
    span: tuple[int, int] | None
    text: str
    severity: Severity
    chart: ChartRef | None
    message: Display


@dataclass(frozen=True, kw_only=True)
class Verification:
    """The result of checking one text against one chart."""

    verdict: Literal["blocked", "flagged", "clean"]
    findings: tuple[Finding, ...]
    supported: tuple[Span, ...]
    stated: int
    left_out: int
    missing: int
