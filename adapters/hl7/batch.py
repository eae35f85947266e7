"""Batches: ``[FHS] { [BHS] { message } [BTS] } [FTS]`` in one frame, and the batch of their acknowledgements
(HL7 2.9 chapter 2.10.3, 2.14.1 to 2.14.4, 2.14.6, 2.14.7)."""

import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from adapters.hl7.message import split_messages
from service.errors import UnusableInput

_START: Final = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*(?:FHS|BHS)[!-/:-@\[-`{-~]")
_HEADER: Final = re.compile(rb"(?:\A|[\r\n\xbf \t])(FHS|BHS)([^A-Za-z0-9\s][^\r\n]*)")


def is_batch(body: bytes) -> bool:
    return _START.match(body) is not None


def read_batch(body: bytes) -> list[bytes]:
    """Its messages, as they came; none if there is none."""
    try:
        return split_messages(body)
    except UnusableInput:
        return []


def answer_batch(body: bytes, replies: Sequence[bytes]) -> bytes:
    """One batch of ACK messages, segments ended by CR, in the segments that the sender's batch has.

    FHS-12 and BHS-12 name the FHS-11 and BHS-11 that are answered; the parties change places.
    """
    headers = {found[1]: found[2] for found in reversed(list(_HEADER.finditer(body)))}
    segments = [_header(name, headers[name]) for name in (b"FHS", b"BHS") if name in headers]
    messages = [reply if reply.endswith(b"\r") else reply + b"\r" for reply in replies]
    trailers = [b"BTS%b%d\r" % (headers[b"BHS"][:1], len(replies))] if b"BHS" in headers else []
    trailers += [b"FTS%b1\r" % headers[b"FHS"][:1]] if b"FHS" in headers else []
    return b"".join((*segments, *messages, *trailers))


def _header(name: bytes, asked: bytes) -> bytes:
    """``asked``: the sender's header behind its name, from its field separator on."""
    fields = asked.split(asked[:1])[1:]  # fields[0] is FHS-2
    fields += [b""] * (12 - len(fields))
    now = datetime.now(UTC).strftime("%Y%m%d%H%M%S+0000").encode()
    own = secrets.token_hex(10).encode()
    # 3 and 4: the sender, 5 and 6: the receiver, 7: time, 11: our control id, 12: theirs
    answer = [name, fields[0], fields[3], fields[4], fields[1], fields[2], now, b"", b"", b"", own, fields[9]]
    return asked[:1].join(answer) + b"\r"
