"""An MLLP sender: one message, its acknowledgement, the next message."""

import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters.hl7.ack import AckReceived, read_ack
from adapters.hl7.framing import FS, VT, Frame, FrameReader, Refused, frame
from adapters.hl7.message import read_message
from service.errors import Unreachable, UnusableInput, WrongSetting
from service.intake import answer
from service.intake.answer import POSITIVE, REJECTED

_MAX_ACK_BYTES: Final = 1024 * 1024
_SEND_AGAIN: Final = "Send again: it may not be stored."


@dataclass(frozen=True, kw_only=True)
class ClientTls:
    """PEM files. ``ca`` None: the system's authorities. ``server_name``: the name in the listener's
    certificate, where it is not the host. ``certificate`` and ``key``: ours, where the listener asks."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str | None = None


def send(
    messages: Iterable[bytes], host: str, port: int, *, tls: ClientTls | None = None, timeout: float = 30.0
) -> Iterator[AckReceived]:
    """Send messages over one connection; yields the acknowledgement of each, in order, and behind an accept
    acknowledgement (CA) the application's, where MSH-16 asks for it and the listener gives it.

    Segments are sent with CR, also where a file has LF or CRLF. A message that forbids an answer
    (an ACK message, MSH-15 ``NE``) yields an empty code at once; one that wants it only for errors or
    only for success (``ER``, ``SU``) yields an empty code after ``timeout`` seconds without one.

    Raises:
        UnusableInput: a message has no MSH, or contains MLLP's framing bytes.
        Unreachable: no connection, no answer in ``timeout`` seconds, or an answer to something else.
        WrongSetting: a PEM file cannot be used.
    """
    context = _client_context(tls) if tls else None
    try:
        with socket.create_connection((host, port), timeout=timeout) as plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context is None or tls is None:
                yield from _exchange(plain, messages, timeout)
                return
            with context.wrap_socket(plain, server_hostname=tls.server_name or host) as secured:
                yield from _exchange(secured, messages, timeout)
    except ssl.SSLCertVerificationError as error:
        raise Unreachable(
            f"{host}:{port}: its certificate is not trusted: {error.verify_message}",
            remedy="Name the authority that signed it (--ca), or the name that it bears (--server-name).",
        ) from None
    except ssl.SSLError as error:
        raise Unreachable(
            f"{host}:{port}: TLS: {error.reason or type(error).__name__}",
            remedy="Check that it speaks TLS, and which certificate it asks for.",
        ) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Unreachable(f"{host}:{port}: {reason}", remedy="Check that the listener runs there.") from None


def _exchange(connection: socket.socket, messages: Iterable[bytes], timeout: float) -> Iterator[AckReceived]:
    frames = FrameReader(max_message_bytes=_MAX_ACK_BYTES)
    waiting: list[bytes] = []
    for body in messages:
        message = read_message(body)
        sent = _with_cr(body)
        if VT in sent or FS in sent:
            raise UnusableInput("the message contains MLLP's framing bytes", remedy="Escape them as \\X0B\\, \\X1C\\.")
        connection.settimeout(timeout)
        asked = {answer(message, codes).code for codes in (POSITIVE, REJECTED)}
        try:
            connection.sendall(frame(sent))
            answered = None if asked == {None} else _next_frame(connection, frames, waiting, timeout)
        except ConnectionError:
            # A listener that closes with our bytes unread resets the connection, which is not "nobody is there".
            raise Unreachable("the connection broke before an acknowledgement", remedy=_SEND_AGAIN) from None
        if asked == {None}:
            yield AckReceived(control_id=message.control_id, code="", text="no answer asked for")
            continue
        if answered is None:
            if None not in asked:
                raise Unreachable(f"no acknowledgement within {timeout:g} s", remedy=_SEND_AGAIN)
            yield AckReceived(control_id=message.control_id, code="", text="no answer, and none was due")
            continue
        ack = _check(answered, message.control_id)
        yield ack
        if ack.code == "CA" and message.header.value(16).strip().upper() in ("AL", "SU"):
            # enhanced mode: the application's own answer follows on the same connection
            second = _next_frame(connection, frames, waiting, timeout)
            if second is not None:
                yield _check(second, message.control_id)


def _next_frame(connection: socket.socket, frames: FrameReader, waiting: list[bytes], timeout: float) -> bytes | None:
    """None after ``timeout`` seconds of silence."""
    deadline = time.monotonic() + timeout
    while not waiting:
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        connection.settimeout(left)
        try:
            data = connection.recv(65536)
        except TimeoutError:
            return None
        if not data:
            raise Unreachable("the connection was closed without an acknowledgement", remedy=_SEND_AGAIN)
        for part in frames.feed(data):
            if isinstance(part, Frame):
                waiting.append(part.body)
            elif isinstance(part, Refused):
                raise Unreachable("the answer is not framed as MLLP", remedy="Check what listens there.")
    return waiting.pop(0)


def _check(answered: bytes, control_id: str) -> AckReceived:
    try:
        ack = read_ack(answered)
    except UnusableInput as error:
        raise Unreachable(f"the answer is no acknowledgement: {error.detail}", remedy=error.remedy) from None
    # A refusal may come from a listener that could not read our MSH-10.
    if ack.control_id != control_id and (ack.control_id or ack.is_positive):
        raise Unreachable("the answer's MSA-2 is not the MSH-10 that was sent", remedy=_SEND_AGAIN)
    return ack


def _with_cr(body: bytes) -> bytes:
    """A CR after each segment. LF beside CR is left: there it is a line break inside a field."""
    if b"\r\n" in body:
        body = body.replace(b"\r\n", b"\r")
    elif b"\r" not in body:
        body = body.replace(b"\n", b"\r")
    return body.rstrip(b"\r\n") + b"\r"


def _client_context(tls: ClientTls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or error.strerror or type(error).__name__
        raise WrongSetting(f"TLS files: {reason}", remedy="Give PEM files that belong together.") from None
    return context
