"""A journey without a network: real store, real rules, and an EHR, a model and a bell in memory."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from store_fixtures import Clock

from adapters.hl7.message import read_message
from adapters.store import SqlStore
from service.errors import EhrAmbiguous, EhrRefused, EhrUnavailable, EpikriseError
from service.model import Case, Chart, DraftDocument, Lang, Posted, RawLetter, Signature, Step, WriterInfo
from service.pipeline import Outcome, run_step
from service.ports import Resource
from service.world import Rules, World

KEY = "KIS|F4711"
_WRITER = WriterInfo(base="b" * 64, lora="l" * 64, prompt="p", handles="h", tokens=9, seconds=0.1)
_BEGIN = datetime(2026, 3, 1, 8, 0)  # noqa: DTZ001 - HL7 times without an offset are local


# ---------------------------------------------------------------- messages


def adt(trigger: str, *, minute: int, visit: str = "F4711", again: str = "") -> bytes:
    """One ADT message; ``minute``: event time after 1 March 2026, 8:00. ``again`` makes another message of it."""
    at = (_BEGIN + timedelta(minutes=minute)).strftime("%Y%m%d%H%M%S")
    segments = [
        f"MSH|^~\\&|KIS|ONK|EPIKRISE|RT|{at}||ADT^{trigger}|{trigger}-{minute}{again}|P|2.5.1|||||DEU|UNICODE UTF-8",
        f"EVN|{trigger}|{at}",
        "PID|1||PID-1^^^KIS^MR||Beispiel^Berta||19610504|F",
        pv1(visit),
    ]
    return "\r".join(segments).encode() + b"\r"


def pv1(visit: str) -> str:
    fields = {1: "1", 2: "I", 3: "ST1", 19: f"{visit}^^^KIS^VN", 44: "20260210080000"}
    return "|".join(["PV1", *(fields.get(number, "") for number in range(1, 45))])


def oru(*, minute: int, value: str = "11.2") -> bytes:
    at = (_BEGIN + timedelta(minutes=minute)).strftime("%Y%m%d%H%M%S")
    segments = [
        f"MSH|^~\\&|LAB|ONK|EPIKRISE|RT|{at}||ORU^R01|R01-{minute}-{value}|P|2.5.1|||||DEU|UNICODE UTF-8",
        "PID|1||PID-1^^^KIS^MR||Beispiel^Berta||19610504|F",
        pv1("F4711"),
        f"OBR|1|||LAB|||{at}",
        f"OBX|1|NM|718-7^Hämoglobin^LN||{value}|g/dL|||||F|||{at}",
    ]
    return "\r".join(segments).encode() + b"\r"


# ---------------------------------------------------------------- the neighbours


@dataclass(kw_only=True)
class Document:
    """What lies at the EHR under one key."""

    key: str
    text: str
    status: str = "current"
    doc_status: str = "preliminary"
    task: str = "requested"

    @property
    def is_live(self) -> bool:
        return self.status == "current" and self.doc_status == "preliminary"


@dataclass(kw_only=True)
class MemoryInbox:
    """``service.ports.Inbox`` in memory. ``faults`` are used up one a call that writes: ``unavailable``,
    ``lost`` (an unknown outcome, nothing stored), ``stored`` (an unknown outcome, all stored), ``refused``."""

    held: dict[str, Document] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    during_post: Callable[[], None] | None = None
    late: list[DraftDocument] = field(default_factory=list)

    def post(self, draft: DraftDocument, *, replaces: Posted | None = None) -> Posted:
        meanwhile, self.during_post = self.during_post, None
        if meanwhile is not None:
            meanwhile()
        fault = self._fault()
        if fault == "lost":
            self.late.append(draft)
            raise EhrAmbiguous("post")
        posted = self.store(draft, replaces)
        if fault == "stored":
            raise EhrAmbiguous("post")
        return posted

    def store(self, draft: DraftDocument, replaces: Posted | None = None) -> Posted:
        document = self.held.setdefault(draft.key, Document(key=draft.key, text=draft.text))
        if replaces is not None and (former := self._at(replaces)).status == "current":
            assert former.doc_status == "preliminary", "a signed document was superseded"
            former.status, former.task = "superseded", "cancelled"
        return _place(document)

    def arrive_late(self) -> None:
        for draft in self.late:
            self.store(draft)
        self.late.clear()

    def find(self, key: str) -> Posted | None:
        if "unavailable" in self.faults[:1]:
            self._fault()
        return _place(self.held[key]) if key in self.held else None

    def finalize(self, posted: Posted, *, text: str, signature: Signature) -> None:
        fault = self._fault()
        if fault != "lost":
            document = self._at(posted)
            if document.status != "current":
                raise EhrRefused(f"the document's status is {document.status}")
            assert hashlib.sha256(text.encode()).hexdigest() == signature.digest
            document.text, document.doc_status, document.task = text, "final", "completed"
        if fault:
            raise EhrAmbiguous("finalize")

    def withdraw(self, posted: Posted, *, reason: str) -> None:
        fault = self._fault()
        if fault != "lost":
            document = self._at(posted)
            if document.doc_status == "final":
                raise EhrRefused("the document is signed")
            document.status = document.doc_status = "entered-in-error"
            document.task = "cancelled"
        if fault:
            raise EhrAmbiguous("withdraw")

    @property
    def live(self) -> list[Document]:
        return [document for document in self.held.values() if document.is_live]

    @property
    def final(self) -> list[Document]:
        return [document for document in self.held.values() if document.doc_status == "final"]

    @property
    def open_tasks(self) -> list[Document]:
        return [document for document in self.held.values() if document.task == "requested"]

    def _at(self, posted: Posted) -> Document:
        return self.held[posted.document.removeprefix("DocumentReference/")]

    def _fault(self) -> str:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "unavailable":
            raise EhrUnavailable("inbox")
        if fault == "refused":
            raise EhrRefused("inbox")
        return fault


def _place(document: Document) -> Posted:
    return Posted(document=f"DocumentReference/{document.key}", task=f"Task/{document.key}")


@dataclass(kw_only=True)
class MemoryEhr:
    """``service.ports.ChartSource`` in memory: one visit with its diagnosis, and what a test adds."""

    diagnosis: str = "C50.4"
    words: str = "Mammakarzinom"
    added: list[Resource] = field(default_factory=list)
    faults: list[EpikriseError] = field(default_factory=list)
    during: Callable[[], None] | None = None

    def resources(self, case_key: str, patient_id: str) -> Sequence[Resource]:
        found = [*self._visit(), *self.added]
        meanwhile, self.during = self.during, None
        if meanwhile is not None:
            meanwhile()
        if self.faults:
            raise self.faults.pop(0)
        return found

    def _visit(self) -> list[Resource]:
        subject = {"reference": "Patient/p1"}
        coding = {"system": "http://fhir.de/CodeSystem/bfarm/icd-10-gm", "code": self.diagnosis, "display": self.words}
        condition = {
            "resourceType": "Condition",
            "id": "c1",
            "subject": subject,
            "encounter": {"reference": "Encounter/e1"},
        }
        condition |= {"code": {"coding": [coding], "text": self.words}}
        return [
            {"resourceType": "Patient", "id": "p1", "name": [{"family": "Beispiel", "given": ["Berta"]}]},
            {
                "resourceType": "Encounter",
                "id": "e1",
                "identifier": [{"system": "KIS", "value": "F4711"}],
                "status": "finished",
                "subject": subject,
                "period": {"start": "2026-02-10", "end": "2026-03-01"},
            },
            *([condition] if self.diagnosis else []),
        ]

    def tell_allergy(self, name: str) -> None:
        """A fact more, that no draft of :class:`PlainWriter` states."""
        self.added.append(
            {
                "resourceType": "AllergyIntolerance",
                "id": f"a{len(self.added)}",
                "patient": {"reference": "Patient/p1"},
                "code": {"text": name},
            }
        )

    def references(self, case_key: str, patient_id: str = "") -> tuple[str, str, str]:
        return f"Patient/{patient_id}", "Encounter/e1", ""


@dataclass(kw_only=True)
class PlainWriter:
    """``service.ports.Writer``: names a few facts by their handles, as the model would."""

    faults: list[Exception] = field(default_factory=list)
    letters: int = 0
    added: str = ""

    def write(self, chart: Chart, lang: Lang) -> RawLetter:
        if self.faults:
            raise self.faults.pop(0)
        self.letters += 1
        head = "Diagnose" if lang == "de" else "Diagnosis"
        wanted = ("diagnosis.1.name", "diagnosis.1.icd10", "visit.start")
        known = {fact.handle for fact in chart.facts}
        named = " ".join(f"[[{handle}]]" for handle in wanted if handle in known)
        return RawLetter(raw=f"{head}:\n{named}.{self.added}\n\nMit freundlichen Grüßen", lang=lang, writer=_WRITER)


class SilentBell:
    """``service.ports.Bell``: nobody listens; the tests look into the store, as the sweeper does."""

    def ring(self, steps: Sequence[Step]) -> None:
        pass

    def check(self) -> None:
        pass

    def unheard(self, queues: Sequence[str]) -> Mapping[str, int]:
        return dict.fromkeys(queues, 0)


# ---------------------------------------------------------------- the journey


@dataclass(kw_only=True)
class Journey:
    """One ward, one visit, one store."""

    store: SqlStore
    clock: Clock
    inbox: MemoryInbox = field(default_factory=MemoryInbox)
    ehr: MemoryEhr = field(default_factory=MemoryEhr)
    writer: PlainWriter = field(default_factory=PlainWriter)
    lang: Lang = "de"

    def __post_init__(self) -> None:
        self.world = World(
            store=self.store,
            bell=SilentBell(),
            reader=read_message,
            clock=self.clock,
            rules=Rules(lang=self.lang),
            chart_source=self.ehr,
            inbox=self.inbox,
            writer=self.writer,
        )

    def receive(self, body: bytes) -> str:
        """Keep a message as the listener does: with it, if it is new, its first step."""
        with self.store.begin() as tx:
            control_id = read_message(body).control_id
            message_id, is_new = tx.add_message(
                channel="mllp", sender="KIS|ONK", control_id=control_id, body=body, ack_code="AA"
            )
            if is_new:
                tx.add_step("read", "intake", subject=message_id)
        return message_id

    def due(self) -> list[Step]:
        with self.store.begin() as tx:
            return sorted(tx.due_steps(unrung_for=timedelta(0)), key=lambda step: step.id)

    def run_due(self, *, at_most: int = 200) -> list[Outcome]:
        """Do what is due now, in the order of its making, and what follows from it."""
        outcomes: list[Outcome] = []
        while (due := self.due()) and len(outcomes) < at_most:
            outcomes.append(run_step(self.world, due[0].id))
        assert len(outcomes) < at_most, f"the journey never ends: {[step.name for step in due]}"
        return outcomes

    def run_all(self) -> None:
        """Do everything, waiting out every pause."""
        for _ in range(40):
            self.run_due()
            with self.store.begin() as tx:
                if not any(row.waiting + row.running + row.failed for row in tx.health()):
                    return
            self.clock.advance(minutes=6)
        raise AssertionError(f"still to do: {[(step.name, step.state, step.error_code) for step in self.steps()]}")

    def advance_to(self, name: str) -> Step:
        """Run the journey up to a step; that one is due and was not claimed."""
        for _ in range(50):
            due = self.due()
            if not due:
                break
            if found := next((step for step in due if step.name == name), None):
                return found
            run_step(self.world, due[0].id)
        raise AssertionError(f"{name} never came due")

    def steps(self) -> list[Step]:
        with self.store.begin() as tx:
            found = tx.case_by_key(KEY)
            return list(tx.steps_of(found.id)) if found else []

    @property
    def case(self) -> Case:
        with self.store.begin() as tx:
            found = tx.case_by_key(KEY)
        assert found is not None
        return found

    def without_inbox(self) -> World:
        return replace(self.world, inbox=None)
