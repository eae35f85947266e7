"""What the rules ask of the world. Adapters implement these; tests may fake them."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from service.identity import Alias
from service.model import (
    AuditEntry,
    Case,
    CaseState,
    Chart,
    DraftDocument,
    Event,
    HourCount,
    Lang,
    ListedMessage,
    MessageFilter,
    NewMessage,
    Posted,
    RawLetter,
    SealedMessage,
    Signature,
    StageHealth,
    Start,
    Step,
    StoredMessage,
)
from service.visit import Turn

Resource = dict[str, Any]
"""One FHIR R4 resource as parsed JSON."""


# ---------------------------------------------------------------- HL7 v2 as read


class Segment(Protocol):
    """One segment. Numbers are HL7's, from 1; what is absent reads as ``""``; escapes are resolved."""

    @property
    def name(self) -> str: ...
    @property
    def index(self) -> int:
        """Occurrence of this segment name in the message, from 1."""

    def value(self, field: int, *, component: int = 1, sub: int = 1, repetition: int = 1) -> str: ...
    def repetitions(self, field: int) -> int:
        """How many repetitions the field has; 0 if absent."""

    def components(self, field: int, repetition: int = 1) -> Sequence[str]: ...
    def offset(self, field: int) -> str:
        """``+ZZZZ`` or ``-ZZZZ``: the offset from UTC of a time in ``field`` that has none, which is MSH-7's of the
        message that told the field (HL7 2.9 chapter 2.14.9.7); ``""`` where MSH-7 has none."""

    def source(self, field: int, *, repetition: int = 1, component: int | None = None) -> str:
        """``MSH-10#SEG[n]-field[rep].component``; the component only if given."""


class Message(Protocol):
    """One HL7 v2 message, read lazily from the received bytes."""

    @property
    def control_id(self) -> str: ...
    @property
    def type(self) -> str:
        """``ADT``: MSH-9.1 as table 0076 writes it, whatever the sender made of it."""

    @property
    def trigger(self) -> str:
        """``A03``: MSH-9.2 as table 0003 writes it, or what stands in for it (EVN-1, MSH-9.3)."""

    @property
    def doubts(self) -> Sequence[str]:
        """Warnings about its character set; they never tell what it says."""

    def segments(self, *names: str) -> Sequence[Segment]:
        """Segments with one of these names, in message order; all if none is given."""


class MessageReader(Protocol):
    """Bytes of one HL7 v2 message to fields. Raises UnusableInput where there is no MSH."""

    def __call__(self, body: bytes) -> Message: ...


# ---------------------------------------------------------------- the store


class Transaction(Protocol):
    """One database transaction; commits at the end of the ``with`` block, rolls back on an exception.

    Every payload (message bytes, chart, letter, review) is encrypted at rest.
    """

    # messages
    def add_message(
        self,
        *,
        channel: str,
        sender: str,
        control_id: str,
        body: bytes,
        ack_code: str | None,
        state: str = "stored",
        error_code: str | None = None,
        kind: str = "",
    ) -> tuple[str, bool]:
        """Keep bytes. Returns (message id, is new): the same sender, control id and digest is not new
        and returns the id of the first."""

    def add_messages(self, new: Sequence[NewMessage | SealedMessage]) -> Sequence[tuple[str, bool]]:
        """Many at once, a few statements for all: as :meth:`add_message` for each, in order."""

    def message(self, message_id: str) -> StoredMessage: ...
    def file_message(
        self,
        message_id: str,
        *,
        case_id: str | None,
        event: Event,
        event_time: str,
        state: str,
        start: Start | None = None,
        patient_key: str | None = None,
        former_patient_key: str | None = None,
        recorded_at: str = "",
    ) -> None:
        """Record what a message meant. A ``start`` stays: filing it again, elsewhere or without one, keeps it.

        ``patient_key``: whose it is; with it, one of no case belongs to the patient's. ``former_patient_key``: whose
        the visit was before a move. ``recorded_at``: by the sender, ISO 8601 in UTC or empty.
        """

    def messages_of(self, case_id: str) -> Sequence[StoredMessage]:
        """What was filed under the case, and what names no visit but belongs to its patient within the visit's
        reach (:func:`service.visit.reach`). By event time, then by what the messages say; never by arrival."""

    # identity: who is who, and which visit is which
    def lock_identity(self, *, changing: bool) -> None:
        """Before anything is filed: what tells who is who (``changing``) is alone until the transaction ends."""

    def turns_of(self, case_id: str) -> Sequence[Turn]:
        """The messages filed under the case, as the visit's status depends on them; in no order."""

    def move_messages(self, case_id: str, *, to: str) -> int:
        """All messages of one case into another; how many."""

    def set_patients(self, case_id: str, patients: Collection[str]) -> None:
        """``patients``: tokens of :class:`service.visit.Turn`; replaces those known before."""

    def cases_of_patients(self, patient_keys: Collection[str]) -> Sequence[Case]: ...
    def add_alias(
        self, within: Literal["patient", "visit"], *, former: str, present: str, message_id: str, event_time: str
    ) -> None: ...
    def aliases_of(self, within: Literal["patient", "visit"], keys: Collection[str]) -> Sequence[Alias]:
        """Every alias that these keys are bound up with, over any number of others."""

    def is_control_id_reused(self, message_id: str) -> bool:
        """Whether the same sender gave this MSH-10 to other bytes before."""

    def flag_message(self, message_id: str, error_code: str | None) -> None:
        """A warning that the operator sees beside the message; None takes it away."""

    # browsing: messages without their bytes
    def list_messages(
        self, wanted: MessageFilter, *, limit: int, before: str | None = None, after: str | None = None
    ) -> Sequence[ListedMessage]:
        """Newest first; ``before`` and ``after`` are ids: the page next to them."""

    def listed_message(self, message_id: str) -> ListedMessage:
        """Raises NotFound."""

    def count_messages(self, *, since: datetime) -> Sequence[HourCount]: ...
    def steps_about(self, message_id: str) -> Sequence[Step]:
        """The steps with this message as subject, oldest first: its ``read``, and what that started."""

    # cases; reading one inside a transaction locks its row until the end
    def case(self, case_id: str) -> Case: ...
    def case_by_key(self, key: str) -> Case | None: ...
    def add_case(self, key: str, *, lang: Lang) -> Case: ...
    def save_case(self, case: Case) -> Case:
        """Raises Conflict if ``case.version`` is not the stored one; returns it with version + 1."""

    def cases(self, *, states: Sequence[CaseState] = (), limit: int = 200) -> Sequence[Case]: ...

    # payloads: the newest of a kind for a case, JSON-serialisable; kinds: chart, draft, verification,
    # review, signed, posted, resources
    def put(self, kind: str, case_id: str, generation: int, payload: Mapping[str, Any]) -> None: ...
    def get(self, kind: str, case_id: str, generation: int | None = None) -> dict[str, Any] | None:
        """None for ``generation``: the highest there is. Within a generation the newest put wins."""

    # steps
    def add_step(
        self,
        name: str,
        queue: str,
        *,
        case_id: str | None = None,
        subject: str = "",
        generation: int = 0,
        not_before: datetime | None = None,
    ) -> Step:
        """A new step; or the live one (waiting, running or failed) with the same case, name, generation and
        subject, for there is never a second. What a running step has already read it does not read again:
        give the cause of the new work as ``subject`` where that matters."""

    def add_steps(self, name: str, queue: str, subjects: Sequence[str]) -> Sequence[str]:
        """Ids of one step for each subject, due now, of no case yet: as :meth:`add_step` for each, in order."""

    def step(self, step_id: str) -> Step: ...
    def steps_of(self, case_id: str) -> Sequence[Step]: ...
    def cancel_steps(self, case_id: str, *, names: Sequence[str] = ()) -> int:
        """Cancel waiting, failed, dead and running steps of a case; a running one then fails to finish."""

    def claim(self, step_id: str, *, lease: timedelta) -> Step | None:
        """Take a step that is due (waiting or failed with ``not_before`` passed, or running with its
        lease run out) and whose queue is not paused; token and attempts grow by one. None if it is not to be had."""

    def renew(self, step: Step, *, lease: timedelta) -> None:
        """Raises LostLease."""

    def finish(self, step: Step) -> None:
        """Raises LostLease if the stored token is not ``step.token`` or the step is not running."""

    def fail(self, step: Step, *, code: str, text: str, retry_at: datetime | None) -> None:
        """``retry_at`` None: dead. Raises LostLease like finish."""

    def release(self, step: Step) -> None:
        """Hand a claimed step back as waiting, its attempt uncounted (shutdown). Raises LostLease."""

    def replay(self, step_id: str) -> Step:
        """A dead step becomes waiting with attempts 0. Raises NotAllowed if it is not dead."""

    def due_steps(
        self, *, unrung_for: timedelta, limit: int = 500, queues: Sequence[str] | None = None
    ) -> Sequence[Step]:
        """Due steps (see claim) of these queues (None: all) whose bell was never rung or was rung longer ago than
        this: the longest due of each name, then the next of each."""

    def attended_queues(self, *, within: timedelta) -> Sequence[str]:
        """Queues of which a worker holds a step now, or has taken one within so long. Reads every step there is."""

    def mark_rung(self, step_ids: Sequence[str]) -> None: ...
    def dead_steps(self) -> Sequence[Step]: ...
    def health(self) -> Sequence[StageHealth]:
        """One row a step name that has ever had a step."""

    def pause(self, queue: str, paused: bool) -> None: ...
    def paused_queues(self) -> Sequence[str]: ...

    # cursors: how far a neighbour has been read (FHIR poll, event numbers); a text without PHI
    def cursor(self, name: str) -> str | None: ...
    def set_cursor(self, name: str, value: str) -> None: ...

    # signature and audit
    def add_signature(self, signature: Signature) -> None:
        """Raises Conflict if the case has one already (unique in the database)."""

    def signature(self, case_id: str) -> Signature | None: ...
    def audit(self, actor: str, action: str, *, case_id: str | None = None, detail: str = "") -> None: ...
    def audit_trail(self) -> Sequence[AuditEntry]: ...


class Store(Protocol):
    def begin(self) -> AbstractContextManager[Transaction]:
        """Raises StoreUnavailable."""

    def check(self) -> None:
        """A cheap round trip. Raises StoreUnavailable, KeyMissing."""


class Bell(Protocol):
    """Tells workers that steps wait. May lose a ring; the sweeper rings again."""

    def ring(self, steps: Sequence[Step]) -> None:
        """Raises BrokerUnavailable."""

    def check(self) -> None:
        """Raises BrokerUnavailable."""

    def unheard(self, queues: Sequence[str]) -> Mapping[str, int]:
        """Bells that no worker has heard yet, by queue. Raises BrokerUnavailable."""


# ---------------------------------------------------------------- the neighbours


class ChartSource(Protocol):
    """The EHR's FHIR API as a source of the chart."""

    def resources(self, case_key: str, patient_id: str) -> Sequence[Resource]:
        """All resources of one visit's patient that the chart reads; empty if the EHR has none. An
        OperationOutcome among them says what the EHR refuses for good (``expression``: the type; ``details``: why).
        Raises EhrUnavailable, EhrRefused: half a chart is never given for a whole one."""

    def references(self, case_key: str, patient_id: str = "") -> tuple[str, str, str]:
        """(patient, encounter, owner) as references at the EHR ("Patient/1"), empty where unknown.
        The owner is the visit's attending physician. Raises EhrUnavailable."""


class Inbox(Protocol):
    """The EHR's inbox. Every call is idempotent by the draft's key."""

    def post(self, draft: DraftDocument, *, replaces: Posted | None = None) -> Posted:
        """Raises EhrUnavailable, EhrAmbiguous, EhrRefused. ``replaces``: the former draft, superseded."""

    def find(self, key: str) -> Posted | None:
        """What the EHR holds under this key: the answer to EhrAmbiguous. ``task`` is empty where the
        document came through and its Task did not; posting again then adds what lacks."""

    def finalize(self, posted: Posted, *, text: str, signature: Signature) -> None:
        """Document final with authenticator, Task completed, Provenance of the verifier."""

    def withdraw(self, posted: Posted, *, reason: str) -> None:
        """Task cancelled, document entered-in-error; doing it twice changes nothing."""


class Writer(Protocol):
    """The model."""

    def write(self, chart: Chart, lang: Lang) -> RawLetter:
        """Raises ModelUnavailable, WriterFailed."""
