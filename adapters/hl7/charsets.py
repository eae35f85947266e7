"""Character sets of a message (HL7 2.9 table 0211, chapter 2.14.9.18 MSH-18)."""

import codecs
import re
from typing import Final

_NAMED: Final = {
    "ASCII": "ascii",
    "US-ASCII": "ascii",
    "ISO IR6": "ascii",
    "ISO IR14": "cp932",
    "ISO IR87": "iso2022_jp_ext",
    "ISO IR159": "iso2022_jp_ext",
    "GB 18030-2000": "gb18030",
    "GB18030": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
    "BIG5": "big5",
    "UNICODE": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "WINDOWS-1252": "cp1252",
    "CP1252": "cp1252",
    "LATIN1": "iso8859-1",
}
"""MSH-18 to a Python codec. UTF-16 and UTF-32 are known by their bytes (:func:`find_wide`), not by name:
bytes in which ``MSH`` was found byte by byte are not in them, whatever the header says. CNS 11643-1992 is
missing because Python has no codec for it."""

_PART = re.compile(r"(?:ISO)?[ _-]?8859[/ _-](\d{1,2})")
_PARTS: Final = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16))
_ESC: Final = b"\x1b"
_LATIN1: Final = ("iso8859-1", "latin-1")
_HIGH_CONTROL: Final = re.compile(rb"[\x80-\x9f]")

_WIDE: Final = (
    ("utf-32-le", re.compile(rb"[Mm]\0\0\0[Ss]\0\0\0[Hh]\0\0\0(?=[!-/:-@\[-`{-~]\0\0\0)")),
    ("utf-32-be", re.compile(rb"\0\0\0[Mm]\0\0\0[Ss]\0\0\0[Hh](?=\0\0\0[!-/:-@\[-`{-~])")),
    ("utf-16-le", re.compile(rb"[Mm]\0[Ss]\0[Hh]\0(?=[!-/:-@\[-`{-~]\0)")),
    ("utf-16-be", re.compile(rb"\0[Mm]\0[Ss]\0[Hh](?=\0[!-/:-@\[-`{-~])")),
)
_NARROW: Final = re.compile(rb"[Mm][Ss][Hh][!-/:-@\[-`{-~]")
_BETWEEN: Final = re.compile(rb"(?:(?:\x1c\r?\n?)?\x0b?(?:\xff\xfe(?:\0\0)?|(?:\0\0)?\xfe\xff)?)\Z")
"""Single framing bytes and a byte order mark between one message and the next."""


def _byte_as_latin1(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error("byte_as_latin1", _byte_as_latin1)


def find_encoding(body: bytes, declared: tuple[str, ...], fallback: str, *, is_marked: bool = False) -> str:
    """The codec for a message: MSH-18, else UTF-8 if valid, else ``fallback``.

    Args:
        declared: MSH-18's repetitions. The first is the default; a Japanese set among the others is used
            where the bytes switch to it (ISO 2022).
        is_marked: a UTF-8 byte order mark stands before it. No text of 8859 begins so: it outranks MSH-18.

    A declared set that the bytes contradict (``ASCII`` beside an umlaut) is passed over, except UTF-8 and
    the parts of 8859: there single wrong bytes are repaired in :func:`decode` and the rest is believed.
    Latin-1, declared or as ``fallback``, with bytes from 0x80 to 0x9F is Windows-1252: these are its
    quotation marks and its euro sign, and in Latin-1 control characters that nobody writes.
    """
    encoding = _find(body, declared, fallback, is_marked=is_marked)
    return "cp1252" if encoding in _LATIN1 and _HIGH_CONTROL.search(body) else encoding


def _find(body: bytes, declared: tuple[str, ...], fallback: str, *, is_marked: bool) -> str:
    if is_marked and _fits(body, "utf-8"):
        return "utf-8"
    known = [_codec(name) for name in declared]
    if "iso2022_jp_ext" in known and _ESC in body:
        return "iso2022_jp_ext"
    encoding = known[0] if known else ""
    if encoding.startswith(("utf-8", "iso8859")) or (encoding and _fits(body, encoding)):
        return encoding
    return "utf-8" if is_marked or _fits(body, "utf-8") else fallback


def find_doubts(body: bytes, declared: tuple[str, ...], encoding: str, *, is_marked: bool = False) -> list[str]:
    """What speaks against reading ``body`` in ``encoding``, the answer of :func:`find_encoding`; nothing of its words."""
    names = [name for name in declared if name.strip().strip('"')]
    doubts = []
    if not all(_codec(name) for name in names):
        doubts.append(f"MSH-18 names a character set that is not known: read as {encoding}")
    known = _codec(names[0]) if names else ""
    if is_marked and known and known != encoding == "utf-8":
        doubts.append("a byte order mark of UTF-8 stands against MSH-18: read as UTF-8")
    elif encoding == "cp1252" and known in ("", "iso8859-1"):
        doubts.append("bytes that no set of ISO 8859 has (0x80-0x9F): read as Windows-1252")
    elif known and encoding not in (known, "iso2022_jp_ext"):
        doubts.append(f"the bytes are not in the character set of MSH-18: read as {encoding}")
    elif not _fits(body, encoding):
        doubts.append("some bytes are not in the character set of the message: these are read as Latin-1")
    return doubts


def _codec(name: str) -> str:
    """``""`` for what is not known."""
    plain = name.strip().strip('"').upper()
    part = _PART.fullmatch(plain)
    if part is not None:
        return f"iso8859-{int(part[1])}" if int(part[1]) in _PARTS else ""
    plain = plain.removeprefix("UNICODE ").removeprefix("UNICODE_") if plain != "UNICODE" else plain
    return _NAMED.get(plain, "")


def _fits(body: bytes, encoding: str) -> bool:
    if body.isascii() and encoding in ("ascii", "utf-8", "cp1252"):
        return True
    try:
        body.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def decode(body: bytes, encoding: str) -> str:
    """Text of ``body``. A byte that the codec does not know reads as Latin-1: no message is lost to one."""
    return body.decode(encoding, "byte_as_latin1")


def find_wide(data: bytes) -> str:
    """``utf-16-le`` and its kin where the first message header of ``data`` is in it, else ``""``."""
    if b"\0" not in data:
        return ""
    narrow = _NARROW.search(data)
    until = narrow.start() if narrow else len(data)
    found = [(match.start(), codec) for codec, pattern in _WIDE if (match := pattern.search(data, 0, until))]
    return min(found, key=lambda each: each[0])[1] if found else ""


def narrow(data: bytes, codec: str) -> bytes:
    """``data`` of 16- or 32-bit characters as UTF-8.

    Each message is aligned anew: MLLP's framing bytes are single bytes also between wide messages. What
    stands before the first header is kept too, for a batch's own header.
    """
    pattern = dict(_WIDE)[codec]
    starts = [match.start() for match in pattern.finditer(data)]
    width = 4 if "32" in codec else 2
    pieces = [data[starts[0] % width : starts[0]]]
    for start, end in zip(starts, [*starts[1:], len(data)], strict=True):
        pieces.append(_BETWEEN.sub(b"", data[start:end], count=1))
    return b"\r".join(piece.decode(codec, "replace").encode("utf-8", "replace") for piece in pieces)
