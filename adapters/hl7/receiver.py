"""What happens to one received message: understood, kept durably, and only then acknowledged."""

from collections.abc import Awaitable
from typing import Protocol

from adapters.hl7.ack import build_ack, refuse
from adapters.hl7.message import Message, read_message
from adapters.hl7.mllp_connection import Peer
from service.errors import UnusableInput
from service.intake import acknowledge, answer
from service.intake.answer import REJECTED
from service.model import AckError

_NO_MSH = AckError(code="100", location="MSH", text="Required segment missing: message header")


class Keep(Protocol):
    """:meth:`adapters.store.GroupCommit.keep`: returns when the message is on disk."""

    def __call__(
        self,
        *,
        channel: str,
        sender: str,
        control_id: str,
        body: bytes,
        ack_code: str | None,
        state: str,
        error_code: str | None,
    ) -> Awaitable[object]:
        """``sender``: ``MSH-3|MSH-4``. ``ack_code``: the answer that will be given, None where none may
        be sent. ``error_code``: table 0357, or what was wrong with the frame. ``state`` ``stored``: its
        step ``read`` follows; ``refused``: kept for people only. Raises StoreUnavailable."""


class MessageReceiver:
    """``receive`` and ``on_refused`` of :class:`adapters.hl7.mllp_server.MllpServer`."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep

    async def receive(self, body: bytes, peer: Peer) -> bytes | None:
        """Keep, then answer. A duplicate is kept once and answered as the first time, since the answer
        depends on the bytes alone.

        Raises:
            StoreUnavailable: nothing was kept.
        """
        try:
            message = read_message(body)
        except UnusableInput:
            await self._keep_message(body, None, ack_code="AR", error_code="no_msh")
            return refuse(body, REJECTED, _NO_MSH)
        try:
            ack = acknowledge(message)
        except Exception:
            # A fault of ours must not cost the sender's bytes.
            await self._keep_message(body, message, ack_code="AE", error_code="207")
            raise
        error_code = ack.error.code if ack.error else None
        await self._keep_message(body, message, ack_code=ack.code, error_code=error_code)
        return None if ack.code is None else build_ack(message.header, ack)

    async def keep_refused(self, body: bytes, peer: Peer, reason: str) -> None:
        """Keep bytes that were no frame. Raises StoreUnavailable."""
        try:
            message = read_message(body)
        except UnusableInput:
            await self._keep_message(body, None, ack_code="AR", error_code=reason)
            return
        await self._keep_message(body, message, ack_code=answer(message, REJECTED).code, error_code=reason)

    async def _keep_message(
        self, body: bytes, message: Message | None, *, ack_code: str | None, error_code: str | None
    ) -> None:
        await self._keep(
            channel="mllp",
            sender="" if message is None else "|".join(_plain(message.header.value(field)) for field in (3, 4)),
            control_id="" if message is None else _plain(message.control_id),
            body=body,
            ack_code=ack_code,
            state="refused" if error_code else "stored",
            error_code=error_code,
        )


def _plain(text: str) -> str:
    """As a database column and a screen can show it; 199 characters is version 2.7's longest MSH-10."""
    return "".join(character for character in text if character.isprintable())[:199]
