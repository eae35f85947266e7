"""Minimal Lower Layer Protocol frames, without a socket: ``<VT> message <FS><CR>`` (HL7 2.9 appendix C)."""

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

VT: Final = b"\x0b"
FS: Final = b"\x1c"
CR: Final = b"\r"

_BOUNDARY = re.compile(b"[\x0b\x1c]")
_SILENT = b" \t\r\n\x00\x1c"
"""What may stand between frames without a word: the CR after FS, line ends, padding, a second FS."""

Fault = Literal["no_start_block", "truncated", "too_large", "too_slow"]


class Frame(NamedTuple):
    """A complete message, without its framing bytes."""

    body: bytes


class Refused(NamedTuple):
    """Bytes that are no frame. ``is_followed``: a start block came right behind them. ``has_end``: too large, but
    within a frame, so that its end will be found."""

    body: bytes
    reason: Fault
    is_followed: bool = False
    has_end: bool = False


def frame(body: bytes) -> bytes:
    return VT + body + FS + CR


class FrameReader:
    """Bytes in any portions to frames. After ``too_large`` it reads on only to find the frame's end."""

    def __init__(self, *, max_message_bytes: int) -> None:
        self._limit = max_message_bytes
        self._buffer = bytearray()
        self._is_inside = False
        self._is_overrun = False

    @property
    def is_inside(self) -> bool:
        """A frame has begun and not ended."""
        return self._is_inside

    @property
    def has_junk(self) -> bool:
        """Something other than white space stands between frames."""
        return not self._is_inside and bool(self._buffer)

    @property
    def is_overrun(self) -> bool:
        """A message over the limit has been told, and its end has not come yet."""
        return self._is_overrun

    @property
    def size(self) -> int:
        """Bytes held of what is not complete."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame | Refused]:
        """What ``data`` completes, in order."""
        end = len(data) - 2
        is_one = data[:1] == VT and data.find(FS) == end and data[-1:] == CR and data.find(VT, 1) < 0
        if is_one and not (self._is_inside or self._buffer) and end - 1 <= self._limit:
            return [Frame(data[1:end])]  # nearly always: one read is one frame, which then is not copied twice
        return list(self._parts(data))

    def _parts(self, data: bytes) -> Iterator[Frame | Refused]:
        position = 0
        while position < len(data):
            boundary = _BOUNDARY.search(data, position)
            end = boundary.start() if boundary else len(data)
            yield from self._take(data[position:end])
            position = end + 1
            if boundary:
                yield from self._start() if boundary[0] == VT else self._end()

    def end(self) -> Refused | None:
        """The peer sends nothing more, or has fallen silent: what is left, and is now refused."""
        body = bytes(self._buffer)
        reason: Fault = "truncated" if self._is_inside else "no_start_block"
        self._buffer.clear()
        self._is_inside = False
        return Refused(body=body, reason=reason) if body else None

    def _take(self, data: bytes) -> Iterator[Refused]:
        if self._is_overrun:
            return
        if not self._is_inside and not self._buffer:
            data = data.lstrip(_SILENT)
        self._buffer += data
        if len(self._buffer) > self._limit:
            body = bytes(self._buffer)
            self._buffer.clear()
            self._is_overrun = True
            yield Refused(body=body, reason="too_large", has_end=self._is_inside)

    def _start(self) -> Iterator[Refused]:
        if self._is_overrun:
            self._is_overrun = False
        elif self._buffer:
            reason: Fault = "truncated" if self._is_inside else "no_start_block"
            yield Refused(body=bytes(self._buffer), reason=reason, is_followed=True)
        self._buffer.clear()
        self._is_inside = True

    def _end(self) -> Iterator[Frame]:
        if self._is_overrun:
            self._is_overrun = self._is_inside = False
        elif self._is_inside:
            body = bytes(self._buffer)
            self._buffer.clear()
            self._is_inside = False
            yield Frame(body=body)
        elif self._buffer:
            self._buffer += FS
