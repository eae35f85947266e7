"""The answer to an ordinary message, from its header and three looks at the rest.

Between a message and its acknowledgement stands what :func:`service.intake.acknowledge` must know: MSH, whether
the message is itself an answer, whether PID-3 and PV1 are there. A sender's headers differ in time, MSH-10 and
sequence number only, so all else that an answer says is found out once by the rules and kept. Whatever is not
plainly ordinary (another separator, an escape, a strange MSH-10, a PID that does not start with a number) gets None
here, and the rules themselves.
"""

import itertools
import re
import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

_USUAL: Final = (b"MSH|^~\\&|", b"MSH|^~\\&#|")
_CONTROL_ID: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,198}")
_KIND: Final = re.compile(rb"[A-Z]{3}\^[A-Z][A-Z0-9]{2}(?:\^[A-Z0-9_]*)?")
_NEXT_SEGMENT: Final = re.compile(rb"\r[A-Z][A-Z0-9]{2}\|")
_PATIENT: Final = re.compile(rb"\|[^|\r\n]*\|[^|\r\n]*\|[A-Za-z0-9]")
# MSH-18 of codecs in which no byte of another character looks like ASCII.
_CHARSET: Final = re.compile(rb"(?:ASCII|8859/\d{1,2}|UNICODE|UNICODE UTF-8|UTF-8)?")
_OURS: Final = secrets.token_hex(6).encode()  # of this process; with the count, 20 characters as ack.py's
_count = itertools.count(secrets.randbelow(2**31))
_CAPACITY: Final = 1024  # kinds of header; more than senders times message types
_LONGEST: Final = 1024  # bytes of a header that is kept; a sender must not fill our memory with strange ones
_TIME, _KIND_AT, _ID, _SEQUENCE, _CHARSET_AT = 6, 8, 9, 12, 17


class Template(NamedTuple):
    """An ACK message cut where each differs: before MSH-7, MSH-10, MSA-2, and the rest."""

    before_time: bytes
    before_id: bytes
    before_control_id: bytes
    rest: bytes

    def fill(self, control_id: bytes) -> bytes:
        """A new MSH-10, the time of now."""
        now = _hl7_time(int(time.time()))
        own = b"%b%08x" % (_OURS, next(_count) & 0xFFFFFFFF)
        return b"%b%b%b%b%b%b%b" % (
            self.before_time, now, self.before_id, own, self.before_control_id, control_id, self.rest,
        )  # fmt: skip


@lru_cache(maxsize=2)
def _hl7_time(second: int) -> bytes:
    return datetime.fromtimestamp(second, UTC).strftime("%Y%m%d%H%M%S+0000").encode()


class Known(NamedTuple):
    """What all messages with such a header have in common. ``replies`` are empty where none is sent."""

    sender: str
    kind: str
    ack_code: str | None
    replies: tuple[Template, ...]
    needs_patient: bool
    needs_visit: bool


class Headers:
    """Headers seen before. One for a listener; used in its event loop only."""

    def __init__(self) -> None:
        self._known: dict[bytes, Known | None] = {}

    def look_up(self, body: bytes) -> tuple[Known, bytes] | None:
        """What is known of such messages, and this one's MSH-10; None: ask the rules, then :meth:`learn`."""
        found = _split(body)
        if found is None:
            return None
        key, control_id, _ = found
        known = self._known.get(key)
        return None if known is None or not _is_ordinary(body, known) else (known, control_id)

    def learn(self, body: bytes, *, sender: str, kind: str, ack_code: str | None, replies: Sequence[bytes]) -> None:
        """Remember a message that the rules have taken: ``replies`` are the ACK messages that it gets."""
        found = _split(body)
        if found is None or _may_answer(body):  # its silence is not that of others with its header
            return
        key, control_id, told_kind = found
        templates = tuple(template for reply in replies if (template := _cut(reply, control_id)) is not None)
        if _KIND.fullmatch(told_kind) is None or len(templates) != len(replies):
            return
        if len(self._known) >= _CAPACITY:
            self._known.clear()
        self._known[key] = Known(
            sender=sender,
            kind=kind,
            ack_code=ack_code,
            replies=templates,
            needs_patient=kind.startswith("ADT^"),
            needs_visit=kind == "ADT^A03",
        )


def _split(body: bytes) -> tuple[bytes, bytes, bytes] | None:
    """The header without what differs each time; MSH-10; MSH-9. None if the header is not ordinary."""
    if not body.startswith(_USUAL):
        return None
    end = body.find(b"\r")
    # LF ends are left to the rules; a line that is no segment would belong to MSH's last field
    if not 0 <= end <= _LONGEST or _NEXT_SEGMENT.match(body, end) is None:
        return None
    header = body[:end]
    fields = header.split(b"|")
    if len(fields) <= _ID or not header.isascii() or header.count(b"\\") != 1 or b"\n" in header:
        return None
    if len(fields) > _CHARSET_AT and _CHARSET.fullmatch(fields[_CHARSET_AT]) is None:
        return None
    control_id = fields[_ID]
    if _CONTROL_ID.fullmatch(control_id) is None:
        return None
    fields[_TIME] = fields[_ID] = b""
    if len(fields) > _SEQUENCE:
        fields[_SEQUENCE] = b""
    return b"|".join(fields), control_id, fields[_KIND_AT]


def _is_ordinary(body: bytes, known: Known) -> bool:
    """Whether what the rules look for beyond the header is plainly there, and no MSA."""
    if _may_answer(body) or b"\nPID" in body:
        return False
    if known.needs_patient:
        pid = body.find(b"\rPID")
        if pid < 0 or _PATIENT.match(body, pid + 4) is None:
            return False
    return not known.needs_visit or b"\rPV1|" in body


def _may_answer(body: bytes) -> bool:
    """Whether MSA stands anywhere in it, in capitals or not: the rules say whether it is the segment."""
    return b"MSA" in body.upper()


def _cut(reply: bytes, control_id: bytes) -> Template | None:
    """None if the reply has not the form of every ACK: MSH, then MSA with the control id."""
    msh, separator, rest = reply.partition(b"\rMSA|")
    fields = msh.split(b"|")
    code, _, rest = rest.partition(b"|")
    if not separator or len(fields) <= _ID or not rest.startswith(control_id):
        return None
    return Template(
        before_time=b"|".join(fields[:_TIME]) + b"|",
        before_id=b"|" + b"|".join(fields[_TIME + 1 : _ID]) + b"|",
        before_control_id=b"|" + b"|".join(fields[_ID + 1 :]) + b"\rMSA|" + code + b"|",
        rest=rest[len(control_id) :],
    )
