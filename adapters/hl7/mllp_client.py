"""An MLLP sender: one message, its acknowledgements, the next message."""

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
from service.intake.application import answer_application
from service.model import AckError
from service.ports import Message

_MAX_ACK_BYTES: Final = 1024 * 1024
_SEND_AGAIN: Final = "Send again: it may not be stored."
_ANY_FAULT: Final = AckError(code="207", location="", text="")


@dataclass(frozen=True, kw_only=True)
class ClientTls:
    """PEM files. ``ca`` None: the system's authorities. ``server_name``: the name in the listener's
    certificate, where it is not the host. ``certificate`` and ``key``: ours, where the listener asks."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answered:
    """All that one message was answered.

    ``control_id``: its MSH-10. ``first``: the accept acknowledgement, or the only one. ``application``: what came
    behind a CA, None where none did; ``missing`` says why, where MSH-16 asked for one.
    """

    control_id: str
    first: AckReceived
    application: AckReceived | None = None
    missing: str = ""

    @property
    def code(self) -> str:
        """MSA-1 of ``first``, ``""`` where there was no answer."""
        return self.first.code

    @property
    def error_code(self) -> str:
        return self._last.error_code

    @property
    def text(self) -> str:
        return self.missing or self._last.text

    @property
    def is_positive(self) -> bool:
        return self.first.is_positive and self._last.is_positive

    @property
    def _last(self) -> AckReceived:
        return self.application or self.first


def send(
    messages: Iterable[bytes], host: str, port: int, *, tls: ClientTls | None = None, timeout: float = 30.0
) -> Iterator[Answered]:
    """Send messages over one connection; yields one result a message, in order.

    Behind a CA the application's acknowledgement is waited for where MSH-16 is ``AL`` or ``SU``; without one
    after ``timeout`` seconds the result says that it is missing, for the message is accepted all the same.

    Segments are sent with CR, also where a file has LF or CRLF. A message that forbids an answer
    (an ACK message, MSH-15 ``NE`` without MSH-16) yields an empty code at once; one that wants it only for
    errors or only for success (``ER``, ``SU``) yields an empty code after ``timeout`` seconds without one.

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


def _exchange(connection: socket.socket, messages: Iterable[bytes], timeout: float) -> Iterator[Answered]:
    line = _Line(connection, timeout)
    for body in messages:
        message = read_message(body)
        sent = _with_cr(body)
        if VT in sent or FS in sent:
            raise UnusableInput("the message contains MLLP's framing bytes", remedy="Escape them as \\X0B\\, \\X1C\\.")
        due = _first_answers(message)
        try:
            line.write(frame(sent))
            first = None if due == {None} else line.answer_to(message.control_id)
        except ConnectionError:
            # A listener that closes with our bytes unread resets the connection, which is not "nobody is there".
            raise Unreachable("the connection broke before an acknowledgement", remedy=_SEND_AGAIN) from None
        if first is None:
            if None not in due:
                raise Unreachable(f"no acknowledgement within {timeout:g} s", remedy=_SEND_AGAIN)
            text = "no answer asked for" if due == {None} else "no answer, and none was due"
            first = AckReceived(control_id=message.control_id, code="", text=text)
        if first.code == "CA" and message.header.value(16).strip().upper() in ("AL", "SU"):
            yield _with_application(line, message.control_id, first)
        else:
            yield Answered(control_id=message.control_id, first=first)


def _first_answers(message: Message) -> set[str | None]:
    """What may be answered first to a message that is taken, and to one that is not; None: nothing."""
    firsts: set[str | None] = set()
    for codes, error in ((POSITIVE, None), (REJECTED, _ANY_FAULT)):
        accept = answer(message, codes, error)
        application = answer_application(message, accept)
        firsts.add(accept.code or (application.code if application else None))
    return firsts


def _with_application(line: "_Line", control_id: str, accept: AckReceived) -> Answered:
    """The CA stands whatever becomes of the second answer."""
    missing = "no application acknowledgement"
    try:
        application = line.answer_to(control_id)
    except (Unreachable, ConnectionError) as error:
        application = None
        missing = f"{missing}: {error.detail if isinstance(error, Unreachable) else 'the connection broke'}"
    return Answered(
        control_id=control_id, first=accept, application=application, missing="" if application else missing
    )


class _Line:
    """One connection and the answers that came over it."""

    def __init__(self, connection: socket.socket, timeout: float) -> None:
        self._connection, self._timeout = connection, timeout
        self._frames = FrameReader(max_message_bytes=_MAX_ACK_BYTES)
        self._waiting: list[bytes] = []
        self._earlier: set[str] = set()

    def write(self, data: bytes) -> None:
        self._connection.settimeout(self._timeout)
        self._connection.sendall(data)

    def answer_to(self, control_id: str) -> AckReceived | None:
        """None after ``timeout`` seconds of silence. A late success of an earlier message is passed over.

        Raises Unreachable, ConnectionError.
        """
        self._earlier.add(control_id)
        while (answered := self._next_frame()) is not None:
            ack = _read(answered)
            # A refusal may come from a listener that could not read our MSH-10.
            if ack.control_id == control_id or not (ack.control_id or ack.is_positive):
                return ack
            if not ack.is_positive or ack.control_id not in self._earlier:
                raise Unreachable("the answer's MSA-2 is not the MSH-10 that was sent", remedy=_SEND_AGAIN)
        return None

    def _next_frame(self) -> bytes | None:
        deadline = time.monotonic() + self._timeout
        while not self._waiting:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._connection.settimeout(left)
            try:
                data = self._connection.recv(65536)
            except TimeoutError:
                return None
            if not data:
                raise Unreachable("the connection was closed without an acknowledgement", remedy=_SEND_AGAIN)
            for part in self._frames.feed(data):
                if isinstance(part, Frame):
                    self._waiting.append(part.body)
                elif isinstance(part, Refused):
                    raise Unreachable("the answer is not framed as MLLP", remedy="Check what listens there.")
        return self._waiting.pop(0)


def _read(answered: bytes) -> AckReceived:
    try:
        return read_ack(answered)
    except UnusableInput as error:
        raise Unreachable(f"the answer is no acknowledgement: {error.detail}", remedy=error.remedy) from None


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
