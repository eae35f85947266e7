"""What happens to one received frame: understood, kept durably, and only then acknowledged."""

import logging
import re
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Final, NamedTuple, Protocol

from adapters.hl7.ack import build_ack, refuse
from adapters.hl7.batch import answer_batch, is_batch, read_batch
from adapters.hl7.header import Headers
from adapters.hl7.message import Message, read_message
from adapters.hl7.mllp_limits import Answer, Peer
from service.errors import StoreUnavailable, UnusableInput
from service.intake import acknowledge, answer
from service.intake.answer import ERROR, REJECTED, UNAVAILABLE
from service.intake.application import answer_application
from service.model import Ack, AckError, NewMessage

_NO_MSH: Final = AckError(code="100", location="MSH", text="Required segment missing: message header")
_NO_MESSAGE: Final = AckError(code="100", location="MSH", text="Required segment missing: the batch holds no message")
_FOREIGN: Final = AckError(code="103", location="MSH-3", text="This sender may not send here; ask for it to be allowed")
_log = logging.getLogger(__name__)
_AWAY: Final = AckError(code="207", location="", text="store unavailable: nothing was kept, send again")
_FAILED: Final = AckError(code="207", location="", text="internal error")
_KIND: Final = re.compile(r"[A-Z0-9]{2,3}(?:\^[A-Z0-9]{2,3})?")
_INTERNAL: Final = "207"


class Submit(Protocol):
    """:meth:`adapters.store.GroupCommit.submit`."""

    def __call__(self, message: NewMessage, told: Callable[[object], None]) -> None:
        """``told`` gets an exception, or anything else when the message is on disk. Raises StoreUnavailable."""


class _Understood(NamedTuple):
    """A message to keep, and the ACK messages that follow when it is kept."""

    kept_as: NewMessage
    replies: Sequence[bytes]
    fault: Exception | None = None


class MessageReceiver:
    """``receive`` and ``keep_refused`` of :class:`adapters.hl7.mllp_server.MllpServer`."""

    def __init__(self, submit: Submit, *, senders: Collection[str] = ()) -> None:
        """``senders``: ``MSH-3|MSH-4`` of those who may send; empty: everybody."""
        self._submit = submit
        self._senders = frozenset(senders)
        self._headers = Headers()

    def receive(self, body: bytes, peer: Peer, answered: Answer) -> None:
        """Keep, then answer. A duplicate is kept once and answered as the first time, since the answer
        depends on the bytes alone. ``answered`` gets StoreUnavailable where nothing was kept."""
        found = self._headers.look_up(body)
        if found is not None:
            known, control_id = found
            message = NewMessage(
                "mllp", known.sender, control_id.decode(), body, known.ack_code, "stored", None, known.kind
            )

            def told(result: object) -> None:
                if isinstance(result, Exception):
                    answered(result)
                else:
                    answered([template.fill(control_id) for template in known.replies])

            self._submit(message, told)
        elif is_batch(body):
            self._receive_batch(body, answered)
        else:
            understood = self._understand(body)
            self._submit(understood.kept_as, partial(_tell, understood, answered))

    def keep_refused(self, body: bytes, peer: Peer, reason: str, kept: Callable[[object], None]) -> None:
        """Keep bytes that were no frame; ``kept`` gets an exception, or anything else."""
        try:
            message = read_message(body)
        except UnusableInput:
            self._submit(_new(body, None, ack_code="AR", error_code=reason), kept)
            return
        self._submit(_new(body, message, ack_code=answer(message, REJECTED).code, error_code=reason), kept)

    def _understand(self, body: bytes) -> _Understood:
        try:
            message = read_message(body)
        except UnusableInput:
            refusal = refuse(body, REJECTED, _NO_MSH)
            return _Understood(_new(body, None, ack_code="AR", error_code="no_msh"), [refusal] if refusal else [])
        try:
            ack = self._acknowledge(message)
            second = answer_application(message, ack)
        except Exception as fault:
            # A fault of ours must not cost the sender's bytes.
            return _Understood(_new(body, message, ack_code="AE", error_code=_INTERNAL), [], fault)
        replies = [build_ack(message.header, each) for each in (ack, second) if each and each.code is not None]
        code = ack.code or (second.code if second else None)
        new = _new(body, message, ack_code=code, error_code=ack.error.code if ack.error else None)
        if ack.error is None:
            self._headers.learn(body, sender=new.sender, kind=new.kind, ack_code=code, replies=replies)
        return _Understood(new, replies)

    def _acknowledge(self, message: Message) -> Ack:
        if self._senders and _sender(message) not in self._senders:
            return answer(message, REJECTED, _FOREIGN)
        return acknowledge(message)

    def _receive_batch(self, body: bytes, answered: Answer) -> None:
        """Each message is kept and answered as if it had come alone; all are kept before the one answer."""
        bodies = read_batch(body)
        if not bodies:
            refusal = refuse(body, REJECTED, _NO_MESSAGE)
            new = _new(body, None, ack_code="AR", error_code="empty_batch")
            self._submit(new, partial(_tell, _Understood(new, [refusal] if refusal else []), answered))
            return
        replies: list[Sequence[bytes]] = [()] * len(bodies)
        waited_for = len(bodies)

        def told(number: int, understood: _Understood, result: object) -> None:
            nonlocal waited_for
            waited_for -= 1
            replies[number] = _replies(understood, result)
            if not waited_for:
                given = [reply for each in replies for reply in each]
                answered([answer_batch(body, given)] if given else [])

        for number, each in enumerate(bodies):
            understood = self._understand(each)
            try:
                self._submit(understood.kept_as, partial(told, number, understood))
            except StoreUnavailable as error:
                told(number, understood, error)


def _tell(understood: _Understood, answered: Answer, result: object) -> None:
    fault = result if isinstance(result, Exception) else understood.fault
    answered(fault if fault is not None else understood.replies)


def _replies(understood: _Understood, result: object) -> Sequence[bytes]:
    """In a batch what went wrong with one message is its own answer."""
    body = understood.kept_as.body
    fault = result if isinstance(result, Exception) else understood.fault
    if fault is None:
        return understood.replies
    if isinstance(fault, StoreUnavailable):
        _log.error("mllp_not_stored", extra={"error": fault.code})
        refusal = refuse(body, UNAVAILABLE, _AWAY)
    else:
        # the class only: the text of a foreign exception may quote the message
        _log.error("mllp_receive_failed", extra={"error": type(fault).__name__})
        refusal = refuse(body, ERROR, _FAILED)
    return [refusal] if refusal is not None else []


def _new(body: bytes, message: Message | None, *, ack_code: str | None, error_code: str | None) -> NewMessage:
    return NewMessage(
        channel="mllp",
        sender="" if message is None else _sender(message),
        control_id="" if message is None else _plain(message.control_id),
        body=body,
        ack_code=ack_code,
        state="refused" if error_code else "stored",
        error_code=error_code,
        kind="" if message is None else _kind(message),
    )


def _sender(message: Message) -> str:
    return "|".join(_plain(message.header.value(field)) for field in (3, 4))


def _kind(message: Message) -> str:
    """``ADT^A03``; nothing where MSH-9 is not of table 0076 and 0003's form, and might say anything."""
    kind = "^".join(part for part in (message.type, message.trigger) if part)
    return kind if _KIND.fullmatch(kind) else ""


def _plain(text: str) -> str:
    """As a database column and a screen can show it; 199 characters is version 2.7's longest MSH-10."""
    return "".join(character for character in text if character.isprintable())[:199]
