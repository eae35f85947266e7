"""The nouns: facts, letters, findings, cases, steps. Frozen, keyword-only, no behaviour beyond a look-up."""

from service.model.browsing import HourCount, ListedMessage, MessageFilter
from service.model.chart import IDENTIFYING, Chart, ChartConflict, Display, Fact, FactType, Importance, Lang
from service.model.journey import Case, CaseState, DeliveryState, StageHealth, Step, StepState, StoredMessage
from service.model.letter import (
    ChartRef,
    Finding,
    FindingKind,
    Letter,
    RawLetter,
    Severity,
    Span,
    Verification,
    WriterInfo,
)
from service.model.mapping import ChartMapping
from service.model.message import Ack, AckError, Event, Fields, NewMessage, Reading, SealedMessage
from service.model.signing import AuditEntry, Decision, DraftDocument, Posted, Review, Signature
from service.model.starting import LetterKind, Start, Trigger

__all__ = [
    "IDENTIFYING",
    "Ack",
    "AckError",
    "AuditEntry",
    "Case",
    "CaseState",
    "Chart",
    "ChartConflict",
    "ChartMapping",
    "ChartRef",
    "Decision",
    "DeliveryState",
    "Display",
    "DraftDocument",
    "Event",
    "Fact",
    "FactType",
    "Fields",
    "Finding",
    "FindingKind",
    "HourCount",
    "Importance",
    "Lang",
    "Letter",
    "LetterKind",
    "ListedMessage",
    "MessageFilter",
    "NewMessage",
    "Posted",
    "RawLetter",
    "Reading",
    "Review",
    "SealedMessage",
    "Severity",
    "Signature",
    "Span",
    "StageHealth",
    "Start",
    "Step",
    "StepState",
    "StoredMessage",
    "Trigger",
    "Verification",
    "WriterInfo",
]
