"""One MLLP connection, from its first byte to its last.

An asyncio protocol, not a stream in a task: no task, timer or future stands between a message and its answer. One
message at a time is under way, so answers come in the order of the messages; what a peer sends meanwhile waits, and
beyond a chunk is not read, which is the peer's back-pressure.
"""

import asyncio
import logging
import secrets
import socket
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol, cast

from adapters.hl7.ack import refuse
from adapters.hl7.framing import Fault, Frame, FrameReader, Refused, frame
from adapters.hl7.mllp_limits import MllpLimits, OnRefused, Peer, Receive
from service.errors import StoreUnavailable
from service.intake.answer import ERROR, REJECTED, UNAVAILABLE
from service.model import AckError

_log = logging.getLogger(__name__)
CHUNK: Final = 256 * 1024
_STOPPING_GRACE: Final = 0.05
_STOPPING_DRAIN: Final = 1.0  # for a peer to see that we have ended; more than a round trip
_FAULTS: Final[dict[Fault, str]] = {
    "no_start_block": "no start block: frame each message as <VT>message<FS><CR>",
    "truncated": "truncated frame: no end block <FS> before the next start block, the end, or a long silence",
    "too_large": "message larger than this listener takes",
    "too_slow": "message took too long from its first byte to its last",
}


class Host(Protocol):
    """The listener, as its connections see it."""

    limits: MllpLimits
    receive: Receive
    on_refused: OnRefused | None
    now: float
    """Of the event loop, read once a sweep: precise enough for silences."""

    def greet(self, connection: "Connection", transport: asyncio.Transport) -> None:
        """Its socket is open: TLS, if any, then :meth:`Connection.begin`."""

    def forget(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    """One peer."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._limits = host.limits
        self._frames = self._new_frames()
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[Frame | Refused] = deque()
        self._body = b""  # of what is under way
        self._is_busy = False
        self._is_going_on = False
        self._is_read = True  # and not paused
        self._has_ended = False  # the peer sends nothing more, or is sent away
        self._heard_at = host.now
        self._frame_began = host.now
        self._stuck_since: float | None = None  # the peer does not read its answers
        self._drains_until: float | None = None  # refused and told: only read and dropped
        self._stops_at: float | None = None
        self.peer = Peer("", 0)

    # ------------------------------------------------------------ asyncio's calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        plain = cast(asyncio.Transport, transport)
        with suppress(OSError, AttributeError):
            plain.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        host, port = (plain.get_extra_info("peername") or ("", 0))[:2]
        self.peer = Peer(str(host), int(port))
        self._transport = plain
        self._host.greet(self, plain)

    def begin(self, transport: asyncio.Transport, refusal: str | None) -> None:
        """Take messages; or, with ``refusal``, say so first, for a peer that is only cut off tries again at once."""
        self._transport = transport
        self._heard_at = self._host.now
        if refusal is not None:
            self._refuse(b"", AckError(code="207", location="", text=refusal))
            # over TLS, too, its message is waited for: sent to a closed socket it would reset the refusal away
            self._leave(1.0, awaits_message=True)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._host.now
        if self._stops_at is not None:
            self._take_begun(data)
            return
        if self._drains_until is not None:
            self._frames.feed(data)
            if self._is_secured() and not (self._frames.is_overrun or self._frames.is_inside):
                self._close()
            return
        was_inside = self._frames.is_inside
        parts = self._frames.feed(data)
        if parts:
            self._waiting.extend(parts)
        if self._frames.is_inside and (parts or not was_inside):
            self._frame_began = self._host.now
        if parts and not self._is_busy:
            self._go_on()
        if self._is_busy and self._is_read and (self._waiting or self._frames.size > CHUNK):
            self._pause()

    def _take_begun(self, data: bytes) -> None:
        """While stopping: the rest of a message that has begun. What begins now is not taken, nor answered, so that
        its sender sends it again; else one that always has a next message would never let us stop."""
        if self._drains_until is None and self._frames.is_inside:
            parts = self._frames.feed(data)[:1]
            if not parts:
                return
            self._waiting.extend(parts)
            self._frames = self._new_frames()
        if not self._is_busy:
            self._go_on()

    def eof_received(self) -> bool:
        self._has_ended = True
        if self._drains_until is not None:
            self._close()
        else:
            self._go_on()
        return not self._is_secured()  # the answers can still be written; TLS knows no half-closed connection

    def pause_writing(self) -> None:
        self._stuck_since = self._host.now

    def resume_writing(self) -> None:
        self._stuck_since = None
        self._go_on()

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            _log.info("mllp_connection_lost", extra={"error": type(error).__name__})
        if self._frames.is_inside or self._frames.has_junk:
            self._keep_lost()
        self._transport = None
        self._waiting.clear()
        self._host.forget(self)

    # ------------------------------------------------------------ the listener's calls

    def check(self, now: float) -> None:
        """Whether a silence has lasted too long."""
        if self._transport is None:
            return
        if self._stuck_since is not None and now - self._stuck_since >= self._limits.write:
            _log.info("mllp_connection_lost", extra={"error": "TimeoutError"})
            self._transport.abort()
        elif self._drains_until is not None:
            if now >= self._drains_until:
                self._close()
        elif self._is_busy or self._waiting:
            self._heard_at = self._frame_began = now  # it is we who take the time
        elif now - self._heard_at >= self._patience(now):
            self._end_silence()
        elif self._frames.is_inside and now - self._frame_began >= self._limits.frame:
            self._end_trickle()

    def stop(self, now: float) -> None:
        """End the connection once nothing is under way; a message that has begun has ``stop`` seconds, and none that
        begins from now on is taken."""
        self._stops_at = now + self._limits.stop
        self._heard_at = now
        if self._drains_until is not None:
            self._drains_until = min(self._drains_until, self._stops_at)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # ------------------------------------------------------------ one message after the other

    def _go_on(self) -> None:
        """The next that waits; nothing while one is under way or the peer does not read."""
        if self._is_going_on:
            return  # an answer that came at once: the loop below goes on
        self._is_going_on = True
        while self._waiting and not self._is_busy and self._stuck_since is None and self._drains_until is None:
            part = self._waiting.popleft()
            self._is_busy = True
            if isinstance(part, Frame):
                self._receive(part.body)
            else:
                self._keep_refused(part)
        self._is_going_on = False
        if self._is_busy or self._transport is None or self._drains_until is not None or self._stuck_since is not None:
            return
        if self._stops_at is not None and not self._has_ended and not self._frames.is_inside:
            self._leave(_STOPPING_DRAIN)
            return
        if not self._is_read:
            self._resume()
        if self._has_ended:
            self._end()

    def _receive(self, body: bytes) -> None:
        self._body = body
        try:
            self._host.receive(body, self.peer, self._answered)
        except Exception as error:
            self._answered(error)

    def _answered(self, result: Sequence[bytes] | Exception) -> None:
        body, self._body = self._body, b""
        self._is_busy = False
        if self._transport is None:
            return
        if isinstance(result, Exception):
            if not self._refuse_failed(body, result):
                self._leave(self._limits.drain)
        else:
            # one write: one TCP segment carries a small answer whole, and both of enhanced mode; of two writes a
            # peer that takes what one read gave as the answer reads now one, now two
            self._transport.write(b"".join(map(frame, result)))
        if self._waiting or self._has_ended or not self._is_read or self._stops_at is not None:
            self._go_on()

    def _refuse_failed(self, body: bytes, error: Exception) -> bool:
        if isinstance(error, StoreUnavailable):
            _log.error("mllp_not_stored", extra={"error": error.code})
            text = "store unavailable: nothing was kept, send again"
            return self._refuse(body, AckError(code="207", location="", text=text), UNAVAILABLE)
        reference = secrets.token_hex(4)
        # the class only: the text of a foreign exception may quote the message
        _log.error("mllp_receive_failed", extra={"error": type(error).__name__, "code": reference})
        return self._refuse(
            body, AckError(code="207", location="", text=f"internal error, reference {reference}"), ERROR
        )

    # ------------------------------------------------------------ refusals

    def _keep_refused(self, refused: Refused) -> None:
        """Keep it, then say so."""
        _log.warning("mllp_refused", extra={"reason": refused.reason, "size": len(refused.body)})

        def kept(result: object) -> None:
            if isinstance(result, Exception):
                _log.error("mllp_refused_not_kept", extra={"error": type(result).__name__})
            self._is_busy = False
            self._tell_refused(refused)

        if self._host.on_refused is None:
            kept(None)
            return
        try:
            self._host.on_refused(refused.body, self.peer, refused.reason, kept)
        except Exception as error:
            kept(error)

    def _tell_refused(self, refused: Refused) -> None:
        if self._transport is None:
            return
        # where a frame follows, the peer waits for its answer only
        if refused.reason != "no_start_block" or not refused.is_followed:
            self._refuse(refused.body, AckError(code="207", location="", text=_FAULTS[refused.reason]))
        if (refused.reason == "too_large" and not refused.has_end) or refused.reason == "too_slow":
            # the rest of a frame too large is passed over to its end; junk without an end ends the connection
            self._leave(self._limits.drain)
        self._go_on()

    def _refuse(self, body: bytes, error: AckError, codes: tuple[str, str] = REJECTED) -> bool:
        """Whether the peer could be told. One that wants no answers learns from the closed connection."""
        nack = refuse(body, codes, error)
        if nack is None or self._transport is None:
            return False
        self._transport.write(frame(nack))
        return True

    def _keep_lost(self) -> None:
        """The peer is gone in the middle of something: kept for people, told to nobody."""
        rest = self._frames.end()
        if rest is not None and self._host.on_refused is not None:
            _log.warning("mllp_refused", extra={"reason": rest.reason, "size": len(rest.body)})
            with suppress(StoreUnavailable):
                self._host.on_refused(rest.body, self.peer, rest.reason, lambda _: None)

    # ------------------------------------------------------------ silences and ends

    def _patience(self, now: float) -> float:
        """Seconds of silence that are borne now."""
        if self._stops_at is not None:
            return max(self._stops_at - self._heard_at, 0.0) if self._frames.is_inside else _STOPPING_GRACE
        return self._limits.quiet if self._frames.has_junk else self._limits.idle

    def _end_silence(self) -> None:
        if not self._frames.has_junk or self._stops_at is not None:
            self._has_ended = True
        rest = self._frames.end()
        self._waiting.extend([rest] if rest is not None else [])
        self._go_on()

    def _end_trickle(self) -> None:
        rest = self._frames.end()
        body = rest.body if rest is not None else b""
        self._waiting.append(Refused(body=body, reason="too_slow"))
        self._go_on()

    def _end(self) -> None:
        """Nothing more comes and nothing is under way."""
        rest = self._frames.end()
        if rest is not None:
            self._waiting.append(rest)
            self._go_on()
        else:
            self._close()

    def _leave(self, seconds: float, *, awaits_message: bool = False) -> None:
        """Read and drop what the peer still sends: closing with unread bytes would reset the connection, and the
        refusal with it. Over TLS the message's end is enough."""
        if self._transport is None:
            return
        self._waiting.clear()
        self._drains_until = self._host.now + seconds
        if not self._is_read:
            self._resume()
        if self._has_ended or (self._is_secured() and not self._frames.is_overrun and not awaits_message):
            self._close()
        elif not self._is_secured():
            self._transport.write_eof()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _pause(self) -> None:
        if self._transport is not None and not self._has_ended:
            self._is_read = False
            self._transport.pause_reading()

    def _resume(self) -> None:
        self._is_read = True
        self._heard_at = self._frame_began = self._host.now
        if self._transport is not None and not self._has_ended:
            self._transport.resume_reading()

    def _new_frames(self) -> FrameReader:
        return FrameReader(max_message_bytes=self._limits.max_message_bytes)

    def _is_secured(self) -> bool:
        return self._transport is not None and not self._transport.can_write_eof()
