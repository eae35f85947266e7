"""Acknowledgements: built, and read (HL7 2.9 chapter 2.9, 2.14.8 MSA, 2.14.5 ERR; tables 0008, 0357)."""

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from adapters.hl7.message import Segment, read_message
from adapters.hl7.text import escape
from service.errors import UnusableInput
from service.intake import answer
from service.model import Ack, AckError

APPLICATION: Final = "EPIKRISE"
TABLE_0357: Final = {
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "202": "Unsupported processing id",
    "203": "Unsupported version id",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "206": "Application record locked",
    "207": "Application internal error",
}
_VERSION = re.compile(r"[Vv]?(2\.([1-9])(?:\.\d{1,2})?)", re.ASCII)
_USUAL: Final = "^~\\&"
_SHORT_TEXT: Final = 80
_LONG_TEXT: Final = 250
_LOCATION = re.compile(r"([A-Z][A-Z0-9]{2})(?:-(\d+))?")


@dataclass(frozen=True, kw_only=True)
class AckReceived:
    """An acknowledgement as a sender reads it. ``code`` is MSA-1, ``""`` where none was asked for;
    ``control_id`` is MSA-2; ``error_code`` (table 0357) and ``text`` come from ERR, else MSA-3."""

    control_id: str
    code: str
    error_code: str = ""
    text: str = ""

    @property
    def is_positive(self) -> bool:
        return self.code in ("AA", "CA", "")


def build_ack(header: Segment | None, ack: Ack) -> bytes:
    """One ACK message, segments ended by CR, not framed.

    Args:
        header: MSH of the message that is answered; None where there was none to read.
        ack: its ``code`` must be set. The error goes to ERR in the form of the sender's version: ERR-2,
            3, 4 and 8 from 2.5 on, ERR-1 before.

    Written in the separators ``|^~\\&`` and in the character set in which the message was read. MSA-2 gives
    MSH-10 back byte for byte; a sender with another field separator gets it escaped for these.

    Raises:
        ValueError: ``ack.code`` is None: this message must not be answered.
    """
    if ack.code is None:
        raise ValueError("this message must not be answered")
    sent = _read_header(header)
    minor = sent.minor
    text = ack.error.text if ack.error else ""
    segments = [
        [
            "MSH|^~\\&",
            *(sent.receiver if any(sent.receiver) else (APPLICATION, "")),
            *sent.sender,
            datetime.now(UTC).strftime("%Y%m%d%H%M%S+0000"),
            "",
            _message_type(sent),
            secrets.token_hex(10),  # 20 characters, which every version has room for
            sent.processing_id,
            sent.version,
            *(("", "", "", "", "", sent.charset) if sent.charset else ()),
        ],
        # MSA-3 gave way to ERR-8 in version 2.7.
        ["MSA", ack.code, sent.control_id, *((_brief(text),) if text and minor < 7 else ())],
    ]
    if ack.error is not None:
        segments.append(_err(ack.error) if minor >= 5 else _err_before_2_5(ack.error))
    return "".join("|".join(fields) + "\r" for fields in segments).encode(sent.encoding, "replace")


def refuse(body: bytes, codes: tuple[str, str], error: AckError) -> bytes | None:
    """The refusal of bytes that may be no message at all; None where the sender forbids an answer.

    Args:
        codes: table 0008 in original and enhanced mode, as in :mod:`service.intake.answer`.
    """
    try:
        message = read_message(body)
    except UnusableInput:
        return build_ack(None, Ack(mode="original", code=codes[0], error=error))
    ack = answer(message, codes, error)
    return None if ack.code is None else build_ack(message.header, ack)


def read_ack(body: bytes) -> AckReceived:
    """What a receiver answered.

    Raises:
        UnusableInput: no HL7 v2 message, or one without MSA.
    """
    message = read_message(body)
    msa = next(iter(message.segments("MSA")), None)
    if msa is None or not msa.value(1):
        raise UnusableInput("the answer has no acknowledgement code (MSA-1)", remedy="Check what listens there.")
    err = next(iter(message.segments("ERR")), None)
    error_code = text = ""
    if err is not None:
        error_code = err.value(3) or err.value(1, component=4)
        text = err.value(8) or err.value(3, component=2) or err.value(1, component=4, sub=2)
    return AckReceived(control_id=msa.value(2), code=msa.value(1), error_code=error_code, text=text or msa.value(3))


@dataclass(frozen=True, kw_only=True)
class _Header:
    """What an answer repeats, escaped. ``minor``: the 5 of version 2.5.1."""

    sender: tuple[str, str] = ("", "")
    receiver: tuple[str, str] = ("", "")
    trigger: str = ""
    control_id: str = ""
    processing_id: str = "P"
    version: str = "2.5"
    minor: int = 5
    charset: str = ""
    encoding: str = "ascii"


def _read_header(header: Segment | None) -> _Header:
    if header is None:
        return _Header()
    version = _VERSION.fullmatch(header.value(12).strip())
    processing_id = header.value(11).strip()
    return _Header(
        sender=(_echo(header, 3), _echo(header, 4)),
        receiver=(_echo(header, 5), _echo(header, 6)),
        trigger=escape(header.value(9, component=2).strip()),
        control_id=header.sent(10) if header.value(1) == "|" else _echo(header, 10),
        processing_id=_echo(header, 11).strip() if processing_id in ("P", "T", "D") else "P",
        version="^".join((version[1], *_echo(header, 12).split("^")[1:])) if version else "2.5",
        minor=int(version[2]) if version else 5,
        charset=_echo(header, 18),
        encoding=header.encoding,
    )


def _echo(header: Segment, field: int) -> str:
    """A field of the message in our separators."""
    if header.value(1) == "|" and header.value(2)[:4] == _USUAL:
        return header.sent(field)
    repetitions = (header.components(field, number + 1) for number in range(header.repetitions(field)))
    return "~".join("^".join(escape(component) for component in components) for components in repetitions)


def _brief(text: str) -> str:
    """MSA-3 has room for 80 characters: what was wrong; the rest stands in ERR-8."""
    return escape(text.partition(";")[0])[:_SHORT_TEXT]


def _message_type(sent: _Header) -> str:
    """``ACK^A03^ACK``; the structure came with 2.3.1, the trigger with 2.2."""
    if sent.minor < 2 or not sent.trigger:
        return "ACK"
    has_structure = sent.minor > 3 or sent.version.startswith("2.3.1")
    return f"ACK^{sent.trigger}^ACK" if has_structure else f"ACK^{sent.trigger}"


def _err(error: AckError) -> list[str]:
    code = f"{error.code}^{TABLE_0357.get(error.code, '')}^HL70357"
    return ["ERR", "", "^".join(_place(error.location)), code, "E", "", "", "", escape(error.text)[:_LONG_TEXT]]


def _err_before_2_5(error: AckError) -> list[str]:
    segment, sequence, field = [*_place(error.location), "", "", ""][:3]
    code = f"{error.code}&{TABLE_0357.get(error.code, '')}&HL70357"
    return ["ERR", f"{segment}^{sequence}^{field}^{code}"]


def _place(location: str) -> list[str]:
    """``PID-3`` as segment, its occurrence, field (ERL); nothing for a fault that has no place."""
    match = _LOCATION.fullmatch(location)
    if match is None:
        return []
    return [match[1], "1", match[2]] if match[2] else [match[1], "1"]
