"""A kept message is read again: after a fault of ours was mended, or because its first reading came to nothing.

Reading again is safe. What the first reading filed with the same meaning stays as it is, so nothing is filed
twice and no second letter starts (:func:`service.steps.read`); what it failed to understand takes effect now.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from service.errors import EpikriseError, NotAllowed, Recovery, UnusableInput
from service.intake import understand
from service.model import Ack, ListedMessage, Step, StepState, StoredMessage
from service.ports import MessageReader, Transaction

_LIVE = (StepState.WAITING, StepState.RUNNING, StepState.FAILED)


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a message would be told and taken for if it came today. ``event`` is empty where it cannot be read.
    ``warnings`` name fields, never what stands in them."""

    ack: Ack | None
    event: str
    warnings: tuple[str, ...] = ()

    @property
    def is_taken(self) -> bool:
        return self.ack is not None and self.ack.error is None


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What became of the wish to read one message again: ``step`` is the step that reads it, or None and the
    ``reason`` why not."""

    message_id: str
    step: str | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Judge:
    """How this program reads a message now. ``authorities``: and ``local`` as :func:`service.intake.understand` takes them."""

    reader: MessageReader
    authorities: Mapping[str, str]
    local: tzinfo


def judge(by: Judge, stored: StoredMessage) -> Judgement:
    """By the rules of this program, whatever was answered on arrival. Never raises."""
    try:
        reading = understand(by.reader(stored.body), authorities=by.authorities, local=by.local)
    except UnusableInput:
        return Judgement(ack=None, event="")
    return Judgement(ack=reading.ack, event=reading.event.value, warnings=reading.warnings)


def replay_message(tx: Transaction, message_id: str, *, by: Judge, actor: str) -> Step:
    """Start a step ``read`` for one kept message; the dead or live one where there is one. Audited.

    Raises:
        NotFound.
        NotAllowed: it is no HL7 v2, its bytes were no whole frame, or it would be refused today as well.
    """
    listed = tx.listed_message(message_id)
    _refuse_what_cannot_be_read(tx, listed, by)
    reads = [step for step in tx.steps_about(message_id) if step.name == "read"]
    dead = next((step for step in reversed(reads) if step.state is StepState.DEAD), None)
    is_under_way = any(step.state in _LIVE for step in reads)
    if dead is not None and not is_under_way:
        step = tx.replay(dead.id)
    else:
        step = tx.add_step("read", "intake", subject=message_id)
    tx.audit(actor, "message_replayed", case_id=listed.case_id, detail=message_id)
    return step


def replay_messages(tx: Transaction, message_ids: Sequence[str], *, by: Judge, actor: str) -> list[Replayed]:
    """Each by itself: one that cannot be read again does not hold up the others."""
    outcomes = []
    for message_id in message_ids:
        try:
            step = replay_message(tx, message_id, by=by, actor=actor)
        except EpikriseError as error:
            if error.recovery is not Recovery.PERMANENT:
                raise
            outcomes.append(Replayed(message_id=message_id, step=None, reason=str(error)))
        else:
            outcomes.append(Replayed(message_id=message_id, step=step.id))
    return outcomes


def _refuse_what_cannot_be_read(tx: Transaction, listed: ListedMessage, by: Judge) -> None:
    if listed.channel != "mllp":
        raise NotAllowed(
            f"message {listed.id} came by {listed.channel}: that is read on arrival", remedy="Let it be sent again."
        )
    if listed.state != "refused":
        return
    code = listed.error_code or ""
    if not code.isdecimal():  # table 0357 judges a message; a word says that the frame was none
        raise NotAllowed(f"message {listed.id} is not whole ({code})", remedy="Let the sender send it again.")
    judged = judge(by, tx.message(listed.id))
    if not judged.is_taken:
        error = judged.ack.error if judged.ack else None
        why = f"{error.code} at {error.location}" if error else "no MSH segment"
        raise NotAllowed(f"message {listed.id} would be refused today as well: {why}", remedy="Mend it at the sender.")
