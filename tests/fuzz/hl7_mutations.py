"""Inputs for the HL7 fuzzer: the corpus, spoilt in the ways of interface engines, editors and networks."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

CORPUS = Path(__file__).parents[1] / "data" / "hl7"
_MARKS = [
    b"|",
    b"^",
    b"~",
    b"\\",
    b"&",
    b"#",
    b"\r",
    b"\n",
    b"\r\n",
    b"\x0b",
    b"\x1c",
    b"\x1c\r",
    b"\0",
    b"\x1b",
    b'""',
]
_WORDS = [
    b"\\X", b"\\XFF\\", b"\\XC3BC\\", b"\\.br\\", b"\\.sp+999\\", b"\\.sk-1\\", b"\\F\\", b"\\C2842\\", b"\\M242842\\", b"\\E\\\\",
    b"MSH|^~\\&|", b"MSH|", b"MSH", b"msh|", b"\rMSA|AA|1", b"\rPID|", b"\rPV1|", b"\rZBE|1|||CANCEL", b"\rMRG|1", b"BHS|^~\\&|", b"FTS|",
    b"ADT^A03", b"ADT_A40", b"ACK", b"ORU", b"2.8.2", b"2.1", b"9.9", b"P", b"T", b"AL", b"NE", b"ER", b"SU",
    b"UNICODE UTF-8", b"UNICODE UTF-16", b"8859/15", b"8859/7", b"~ISO IR87", b"GB 18030-2000", b"KS X 1001", b"BIG-5", b"ASCII",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\xc3", b"\x1b$B", b"\x1b(B",
    b"20260312093000", b"99999999999999", b"00000000", b"20260312+9999", b"20260312093060.9999999-2359", b"\xd9\xa1\xd9\xa2\xd9\xa3\xd9\xa4",
    b"1" * 300, b"|" * 300, b"^&~" * 60, b"\\" * 120,
]  # fmt: skip
_FIELDS = re.compile(rb"[^|\r\n]*")
Mutation = Callable[[Random, bytes, Sequence[bytes]], bytes]


def seeds() -> list[bytes]:
    """The corpus, in the order of names."""
    return [path.read_bytes() for path in sorted(CORPUS.glob("*.hl7"))]


def mutate(random: Random, corpus: Sequence[bytes]) -> bytes:
    """One input: a message of the corpus changed once to six times; seldom bytes of no form at all."""
    if random.random() < 0.02:
        return random.randbytes(random.randrange(200))
    data = random.choice(corpus)
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4, 6))):
        data = random.choice(_MUTATIONS)(random, data, corpus)
    return data


def _change_byte(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    place = random.randrange(len(data) + 1)
    return data[:place] + bytes((random.randrange(256),)) + data[place + 1 :]


def _insert(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    place = random.randrange(len(data) + 1)
    return data[:place] + random.choice(random.choice((_MARKS, _WORDS))) + data[place:]


def _spoil_header(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    place = random.randrange(min(len(data), 24) + 1)
    return data[:place] + random.choice((*_MARKS, bytes((random.randrange(256),)))) + data[place + 1 :]


def _delete(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start = random.randrange(len(data) + 1)
    return data[:start] + data[start + random.choice((1, 2, 5, 40, 400)) :]


def _repeat(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start = random.randrange(len(data) + 1)
    return data[:start] + data[start : start + random.choice((1, 8, 60))] * random.choice((2, 3, 20)) + data[start:]


def _cut(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _splice(random: Random, data: bytes, corpus: Sequence[bytes]) -> bytes:
    other = random.choice(corpus)
    return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :]


def _set_field(random: Random, data: bytes, corpus: Sequence[bytes]) -> bytes:
    fields = list(_FIELDS.finditer(data))
    chosen = random.choice(fields)
    other = random.choice(list(_FIELDS.finditer(random.choice(corpus))))[0]
    return data[: chosen.start()] + random.choice((b"", b'""', other, random.choice(_WORDS))) + data[chosen.end() :]


def _order_segments(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    head, *rest = data.split(b"\r")
    random.shuffle(rest)
    return b"\r".join((head, *rest))


def _change_separator(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data.replace(random.choice(_MARKS[:6]), random.choice((*_MARKS, b"*", b"!", b"a")))


def _change_ends(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data.replace(b"\r", random.choice((b"\n", b"\r\n", b"\r\r", b"\n\r", b"")))


def _encode_anew(random: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data.decode("latin-1").encode(
        random.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8")), "replace"
    )


_MUTATIONS: list[Mutation] = [
    _change_byte, _change_byte, _insert, _insert, _insert, _spoil_header, _delete, _repeat, _cut, _splice,
    _set_field, _set_field, _set_field, _order_segments, _change_separator, _change_ends, _encode_anew,
]  # fmt: skip
