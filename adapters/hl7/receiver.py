"""What happens to one received message: understood, kept durably, and only then acknowledged."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Literal

from adapters.hl7.ack import build_ack, refuse
from adapters.hl7.message import Message, read_message
from adapters.hl7.mllp_connection import Peer
from service.errors import UnusableInput
from service.intake import understand
from service.intake.answer import REJECTED
from service.intake.identity import BERLIN, NO_AUTHORITIES
from service.model import Ack, AckError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ReceivedMessage:
    """What the store is asked to keep. ``sender``: ``MSH-3|MSH-4``. ``ack_code``: the answer that will
    be given, None where none may be sent. ``error_code``: table 0357, or what was wrong with the frame.
    ``state`` ``stored``: its step ``read`` follows; ``refused``: kept for people only."""

    body: bytes
    sender: str
    control_id: str
    ack_code: str | None
    state: Literal["stored", "refused"]
    error_code: str | None = None
    channel: str = "mllp"


@dataclass(frozen=True, kw_only=True)
class KeptMessage:
    """``is_new`` is False for a message that was kept before: same sender, MSH-10 and bytes."""

    id: str
    is_new: bool


Keep = Callable[[ReceivedMessage], Awaitable[KeptMessage]]
"""Returns when the message is on disk. Raises StoreUnavailable."""


class MessageReceiver:
    """``receive`` and ``on_refused`` of :class:`adapters.hl7.mllp_server.MllpServer`."""

    def __init__(self, keep: Keep, *, authorities: Mapping[str, str] = NO_AUTHORITIES, local: tzinfo = BERLIN) -> None:
        self._keep = keep
        self._authorities = authorities
        self._local = local

    async def receive(self, body: bytes, peer: Peer) -> bytes | None:
        """Keep, then answer. A duplicate is kept once and answered as the first time, since the answer
        depends on the bytes alone.

        Raises:
            StoreUnavailable: nothing was kept.
        """
        try:
            message = read_message(body)
        except UnusableInput:
            return await self._refuse_unreadable(body)
        try:
            ack = understand(message, authorities=self._authorities, local=self._local).ack
        except Exception:
            # A fault of ours must not cost the sender's bytes.
            await self._keep(_received(body, message, Ack(mode="original", code="AE"), error_code="207"))
            raise
        error_code = ack.error.code if ack.error else None
        kept = await self._keep(_received(body, message, ack, error_code=error_code))
        _log.info("message_kept", extra={"message_id": kept.id, "new": kept.is_new, "ack": ack.code})
        return None if ack.code is None else build_ack(message.header, ack)

    async def keep_refused(self, body: bytes, peer: Peer, reason: str) -> None:
        """Keep bytes that were no frame. Raises StoreUnavailable."""
        try:
            received = _received(body, read_message(body), Ack(mode="original", code="AR"), error_code=reason)
        except UnusableInput:
            received = _unreadable(body, reason)
        await self._keep(received)

    async def _refuse_unreadable(self, body: bytes) -> bytes | None:
        await self._keep(_unreadable(body, "no_msh"))
        error = AckError(code="100", location="MSH", text="Required segment missing: message header")
        return refuse(body, REJECTED, error)


def _received(body: bytes, message: Message, ack: Ack, *, error_code: str | None) -> ReceivedMessage:
    return ReceivedMessage(
        body=body,
        sender=f"{_plain(message.header.value(3))}|{_plain(message.header.value(4))}",
        control_id=_plain(message.control_id),
        ack_code=ack.code,
        state="refused" if error_code else "stored",
        error_code=error_code,
    )


def _plain(text: str) -> str:
    """As a database column and a screen can show it; 199 characters is version 2.7's longest MSH-10."""
    return "".join(character for character in text if character.isprintable())[:199]


def _unreadable(body: bytes, reason: str) -> ReceivedMessage:
    return ReceivedMessage(body=body, sender="", control_id="", ack_code="AR", state="refused", error_code=reason)
