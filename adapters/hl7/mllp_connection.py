"""One MLLP connection, from its first byte to its last."""

import asyncio
import logging
import secrets
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from adapters.hl7.ack import refuse
from adapters.hl7.framing import Fault, Frame, FrameReader, Refused, frame
from service.errors import StoreUnavailable
from service.intake.answer import ERROR, REJECTED, UNAVAILABLE
from service.model import AckError

_log = logging.getLogger(__name__)
CHUNK: Final = 256 * 1024
_FAULTS: Final[dict[Fault, str]] = {
    "no_start_block": "no start block: frame each message as <VT>message<FS><CR>",
    "truncated": "truncated frame: no end block <FS> before the next start block, the end, or a long silence",
    "too_large": "message larger than this listener takes",
}


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Where bytes came from."""

    host: str
    port: int


@dataclass(frozen=True, kw_only=True)
class MllpLimits:
    """Sizes in bytes, times in seconds.

    ``idle``: silence between messages, and within one. ``quiet``: silence after which junk is refused.
    ``write``: how long a peer may not read its answer. ``drain``: how long the rest of a refused message
    is read and dropped, so that the refusal is not lost with the connection. ``stop``: how long a
    message under way may still take when the listener stops.
    """

    max_message_bytes: int = 64 * 1024 * 1024
    max_connections: int = 1024
    idle: float = 300.0
    quiet: float = 1.0
    write: float = 30.0
    drain: float = 10.0
    stop: float = 5.0


Receive = Callable[[bytes, Peer], Awaitable[bytes | None]]
"""Stores a message durably and returns its ACK, not framed; None where none may be sent."""

OnRefused = Callable[[bytes, Peer, str], Awaitable[None]]
"""Keeps bytes that were no frame; the last argument is ``no_start_block``, ``truncated`` or ``too_large``."""


class Connection:
    """One peer, from its first byte to its last."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        receive: Receive,
        on_refused: OnRefused | None,
        limits: MllpLimits,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._receive = receive
        self._on_refused = on_refused
        self._limits = limits
        self._frames = FrameReader(max_message_bytes=limits.max_message_bytes)
        host, port = (writer.get_extra_info("peername") or ("", 0))[:2]
        self._peer = Peer(host=str(host), port=int(port))
        self._stop_at: float | None = None
        self._silence: asyncio.Timeout | None = None
        with suppress(OSError, AttributeError):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def stop(self) -> None:
        """End the connection once nothing is under way; a pending read is only given less time."""
        self._stop_at = asyncio.get_running_loop().time() + self._limits.stop
        if self._silence is not None and self._silence.when() is not None:
            self._silence.reschedule(asyncio.get_running_loop().time() + self._patience())

    async def serve(self) -> None:
        while (patience := self._patience()) > 0:
            try:
                async with asyncio.timeout(patience) as self._silence:
                    data = await self._reader.read(CHUNK)
            except TimeoutError:
                if self._frames.has_junk and self._stop_at is None:
                    await self._refuse_rest()
                    continue
                break
            finally:
                self._silence = None
            if not data:
                break
            parts = self._frames.feed(data)
            for part in parts:
                if not await self._take(part):
                    deque(parts, maxlen=0)
                    await self._drain(self._limits.drain)
                    return
        await self._refuse_rest()

    async def turn_away(self) -> None:
        """One connection too many: say so, for a peer that is only cut off tries again at once."""
        text = "too many connections: send again later"
        await self._refuse(b"", AckError(code="207", location="", text=text))
        _log.warning("mllp_too_many_connections", extra={"connections": self._limits.max_connections})
        await self._drain(1.0)

    def _patience(self) -> float:
        """Seconds until silence ends the wait; none are left once a stop has run its time."""
        if self._stop_at is not None:
            left = self._stop_at - asyncio.get_running_loop().time()
            return left if self._frames.is_inside else min(left, 0.05)
        return self._limits.quiet if self._frames.has_junk else self._limits.idle

    async def _take(self, part: Frame | Refused) -> bool:
        """Whether the connection goes on."""
        if isinstance(part, Frame):
            return await self._answer(part.body)
        await self._refuse_bytes(part)
        # the rest of a frame too large is passed over to its end; junk without an end ends the connection
        return part.reason != "too_large" or self._frames.is_inside

    async def _answer(self, body: bytes) -> bool:
        try:
            ack = await self._receive(body, self._peer)
        except StoreUnavailable as error:
            _log.error("mllp_not_stored", extra={"error": error.code})
            text = "store unavailable: nothing was kept, send again"
            return await self._refuse(body, AckError(code="207", location="", text=text), UNAVAILABLE)
        except Exception as error:
            reference = secrets.token_hex(4)
            # the class only: the text of a foreign exception may quote the message
            _log.error("mllp_receive_failed", extra={"error": type(error).__name__, "code": reference})
            text = f"internal error, reference {reference}"
            return await self._refuse(body, AckError(code="207", location="", text=text), ERROR)
        if ack is not None:
            await self._write(ack)
        return True

    async def _refuse_rest(self) -> None:
        rest = self._frames.end()
        if rest is not None:
            await self._refuse_bytes(rest)

    async def _refuse_bytes(self, refused: Refused) -> None:
        _log.warning("mllp_refused", extra={"reason": refused.reason, "size": len(refused.body)})
        if self._on_refused is not None:
            try:
                await self._on_refused(refused.body, self._peer, refused.reason)
            except Exception as error:
                _log.error("mllp_refused_not_kept", extra={"error": type(error).__name__})
        if refused.reason == "no_start_block" and refused.is_followed:
            return  # the peer waits for the answer to the frame that follows
        await self._refuse(refused.body, AckError(code="207", location="", text=_FAULTS[refused.reason]))

    async def _refuse(self, body: bytes, error: AckError, codes: tuple[str, str] = REJECTED) -> bool:
        """Whether the peer could be told. One that wants no answers learns from the closed connection."""
        nack = refuse(body, codes, error)
        if nack is None:
            return False
        await self._write(nack)
        return True

    async def _write(self, answer: bytes) -> None:
        """One write, so that one TCP segment carries a small answer whole."""
        self._writer.write(frame(answer))
        async with asyncio.timeout(self._limits.write):
            await self._writer.drain()

    async def _drain(self, seconds: float) -> None:
        """Read and drop what the peer still sends: closing with unread bytes would reset the connection,
        and the refusal with it. TLS knows no half-closed connection: there the message's end is enough."""
        is_half_closed = self._writer.can_write_eof()
        if is_half_closed:
            self._writer.write_eof()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while (is_half_closed or self._frames.is_overrun) and (data := await self._reader.read(CHUNK)):
                    deque(self._frames.feed(data), maxlen=0)
