"""One HL7 v2 message, read from the bytes as they came (HL7 2.9 chapter 2)."""

import codecs
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Final

from adapters.hl7.charsets import decode, find_doubts, find_encoding, find_wide, narrow
from adapters.hl7.segment import Segment
from adapters.hl7.text import Separators, read_separators
from service.errors import UnusableInput
from service.intake.events import name_message

__all__ = ["FALLBACK", "Message", "Segment", "read_message", "split_messages"]

FALLBACK: Final = "latin-1"
SEGMENTS: Final = frozenset(
    """
    ACC ADD ADJ AFF AIG AIL AIP AIS AL1 ARV AUT BHS BLG BTS CON CTD CTI DB1 DG1 DRG DSC DSP ERR EVN FAC FHS FT1
    FTS GOL GP1 GP2 GT1 IAM IAR IN1 IN2 IN3 IPC MRG MSA MSH NCK NK1 NPU NTE OBR OBX ODS ODT OM1 ORC ORG OVR PCR
    PD1 PDA PEO PES PID PR1 PRA PRB PRC PRD PRT PTH PV1 PV2 QRD QRF RGS RMI ROL RQD RXA RXC RXD RXE RXG RXO RXR
    RXV SCH SFT SPM STF TQ1 TQ2 TXA UAC UB1 UB2 VAR
    """.split()  # noqa: SIM905 - a table of 90 quoted names would be four times as long
)
"""Published names. A name in small letters, behind blanks or cut short is only taken for one of these or a
Z-segment; in capitals at the start of a line, every name is."""

_SURE_MSH = re.compile(rb"[Mm][Ss][Hh](?:(?=\|)|(?=([!-/:-@\[-`{-~])[!-/:-@\[-`{-~]{0,6}?\1))")
_LOOSE_MSH = re.compile(rb"[Mm][Ss][Hh](?=[!-/:-@\[-`{-~])")
"""For a header whose MSH-2 has no end; not the first choice, since a line of a text may begin so."""
_FRAMING = re.compile(rb"[\x0b\x1c]")
_BATCH = re.compile(rb"(?:FHS|BHS|BTS|FTS)(?=[^A-Za-z0-9]|\Z)")
_BLANK = b" \t\0"
_INDENT: Final = 64
_OFFSET = re.compile(r"[+-](?:0\d|1[0-4])[0-5]\d\Z", re.ASCII)
_PADDING = " \t\0\x0b\x1c\x1a\ufeff"

_Matcher = Callable[[str], re.Match[str] | None]


class Message:
    """Implements :class:`service.ports.Message`. The header is read at once, the rest when asked for."""

    def __init__(self, body: bytes, *, fallback: str, wide: str = "", is_marked: bool = False) -> None:
        """``body`` starts with MSH and a separator.

        Args:
            fallback: the codec where nothing names one.
            wide: the codec of 16- or 32-bit characters in which the message came; ``body`` is then UTF-8.
            is_marked: a byte order mark of UTF-8 stood before it.
        """
        head = re.split(rb"[\r\n]", body, maxsplit=1)[0].decode("latin-1").rstrip(_PADDING)
        separators = read_separators(head[3], head[4:].partition(head[3])[0])
        codec = "utf-8"
        self._declared: tuple[str, ...] = ()
        self._is_marked = is_marked
        if not wide:
            declared = Segment("MSH", 1, head, separators, encoding="latin-1")
            named = range(1, declared.repetitions(18) + 1)
            self._declared = tuple(declared.value(18, repetition=number) for number in named)
            codec = find_encoding(body, self._declared, fallback, is_marked=is_marked)
        self._body = body
        self._separators = separators
        self._codec = codec
        self.encoding = wide or codec
        """Of the bytes as they came, in which an answer is written."""
        self.header = _read_header(head, separators, codec, wide)
        self.control_id = self.header.sent(10)  # as MSA-2 gives it back: a sender looks for what it has sent
        self._read: dict[int, Segment] = {}
        self._by_name: dict[str, tuple[Segment, ...]] = {}

    @property
    def type(self) -> str:
        return self._name[0]

    @property
    def trigger(self) -> str:
        return self._name[1]

    @cached_property
    def _name(self) -> tuple[str, str]:
        return name_message(self)

    @property
    def doubts(self) -> Sequence[str]:
        """What is in doubt of its bytes, for the operator; never what they say."""
        return find_doubts(self._body, self._declared, self._codec, is_marked=self._is_marked)

    def segments(self, *names: str) -> Sequence[Segment]:
        if not names:
            return tuple(self._segment(place) for place in range(len(self._lines)))
        if len(names) == 1:
            return self._named(names[0])
        places = {place for name in names for place in self._places.get(name, ())}
        return tuple(self._segment(place) for place in sorted(places))

    def _named(self, name: str) -> tuple[Segment, ...]:
        found = self._by_name.get(name)
        if found is None:
            found = self._by_name[name] = tuple(self._segment(place) for place in self._places.get(name, ()))
        return found

    def _segment(self, place: int) -> Segment:
        segment = self._read.get(place)
        if segment is None:
            name, index, line = self._lines[place]
            segment = self._read[place] = Segment(
                name,
                index,
                line,
                self._separators,
                encoding=self.encoding,
                control_id=self.control_id,
                offset=self._offset,
            )
        return segment

    @cached_property
    def _offset(self) -> str:
        written = _OFFSET.search(self.header.value(7).strip())
        return written[0] if written else ""

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        places: dict[str, list[int]] = {}
        for place, (name, _, _) in enumerate(self._lines):
            places.setdefault(name, []).append(place)
        return places

    @cached_property
    def _lines(self) -> list[tuple[str, int, str]]:
        """Name, occurrence and text of each segment. A line that does not start like a segment is the raw line break of a
        field that was not escaped, and stays with its field."""
        text = decode(self._body, self._codec).replace("\r\n", "\r").replace("\n", "\r").replace("\0", "")
        starts, may_start = _line_starts(self._separators.field)
        lines: list[tuple[str, str]] = []
        rest: list[str] = []
        for line in text.split("\r"):
            name = line[:3]
            if not starts(line):
                name = _unusual_name(line) if may_start(line) else ""
            if not name and line.strip(_PADDING):
                rest.append(line)
            elif name:
                _join(lines, rest)
                lines.append((name, line.lstrip(" \t") if line[0] in " \t" else line))
        if rest and _is_cut_short(rest[-1]):
            cut = rest.pop()
            _join(lines, rest)
            lines.append((cut, cut))
        _join(lines, rest)
        counts: dict[str, int] = {}
        numbered = []
        for name, line in lines:
            counts[name] = counts.get(name, 0) + 1
            numbered.append((name, counts[name], line))
        return numbered


def _read_header(head: str, separators: Separators, codec: str, wide: str) -> Segment:
    """``head`` as Latin-1. One with bytes that its set does not have stays so, that an answer may give
    MSH-10 back byte for byte."""
    try:
        text = head.encode("latin-1").decode(codec)
    except UnicodeDecodeError:
        return Segment("MSH", 1, head, separators, encoding="latin-1")
    return Segment("MSH", 1, text, separators, encoding=wide or codec)


@lru_cache(maxsize=64)
def _line_starts(field: str) -> tuple[_Matcher, _Matcher]:
    """Whether a line starts like a segment: surely; perhaps, with an unusual name."""
    end = rf"(?:{re.escape(field)}|\s*$)"
    return re.compile(rf"[A-Z][A-Z0-9]{{2}}{end}").match, re.compile(rf"[ \t]*[A-Za-z][A-Za-z0-9]{{2}}{end}").match


def _unusual_name(line: str) -> str:
    name = line.lstrip(" \t")[:3].upper()
    return name if name in SEGMENTS or name.startswith("Z") else ""


def _is_cut_short(line: str) -> bool:
    """One or two letters at the end of a message with which a segment may begin."""
    return len(line) < 3 and line.isupper() and any(name.startswith(line) for name in SEGMENTS)


def _join(lines: list[tuple[str, str]], rest: list[str]) -> None:
    if rest:
        name, line = lines[-1]
        lines[-1] = (name, "\n".join((line, *rest)))
        rest.clear()


def read_message(body: bytes, *, fallback: str = FALLBACK) -> Message:
    """The message that starts at the first ``MSH`` of ``body``.

    CR, LF and CRLF end a segment; MLLP's framing bytes and what stands before MSH are passed over.
    The character set is that of 16- or 32-bit characters if the header is in them, else the byte order
    mark's, else MSH-18's, else UTF-8 if valid, else ``fallback``.

    Raises:
        UnusableInput: there is no MSH segment.
    """
    wide = find_wide(body)
    body = narrow(body, wide) if wide else body
    start = next(_starts(_SURE_MSH, body), None)
    if start is None:
        start = next(_starts(_LOOSE_MSH, body), None)
    if start is None:
        raise UnusableInput("no MSH segment", remedy="Send HL7 v2 in its vertical-bar form (ER7).")
    end = body.find(b"\x1c", start)
    marked = body.endswith(codecs.BOM_UTF8, 0, start)
    return Message(body[start : end if end >= 0 else None], fallback=fallback, wide=wide, is_marked=marked)


def split_messages(data: bytes) -> list[bytes]:
    """The messages of a file: one or many, bare or in MLLP frames, with or without FHS/BHS/BTS/FTS.

    Each has the bytes of the file, also where they are UTF-16 or UTF-32.

    Raises:
        UnusableInput: there is no MSH segment in it.
    """
    wide = find_wide(data)
    if wide:
        data = narrow(data, wide)
    starts = list(_starts(_SURE_MSH, data)) or list(_starts(_LOOSE_MSH, data))
    messages = []
    for start, following in pairwise([*starts, len(data)]):
        framing = _FRAMING.search(data, start, following)
        until = framing.start() if framing else following
        messages.append(data[start : next(_starts(_BATCH, data, start, until), until)])
    if not messages:
        raise UnusableInput("no MSH segment", remedy="Give a file of HL7 v2 messages in vertical-bar form (ER7).")
    return [message.decode().encode(wide) for message in messages] if wide else messages


def _starts(pattern: re.Pattern[bytes], data: bytes, start: int = 0, end: int | None = None) -> Iterator[int]:
    """Where a match stands at the start of a line, a frame or the data, behind nothing but blanks."""
    for match in pattern.finditer(data, start, len(data) if end is None else end):
        begins_at = match.start()
        before = data[max(0, begins_at - _INDENT) : begins_at].rstrip(_BLANK)
        is_first = not before and begins_at <= _INDENT
        if is_first or before[-1:] in (b"\r", b"\n", b"\x0b", b"\x1c") or before.endswith(codecs.BOM_UTF8):
            yield begins_at
