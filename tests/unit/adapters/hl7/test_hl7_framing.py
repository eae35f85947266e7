"""MLLP frames out of bytes, however the network cut them."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7.framing import CR, FS, VT, Frame, FrameReader, Refused, frame

LIMIT = 64
BODY = st.binary(max_size=LIMIT).map(lambda body: body.replace(VT, b".").replace(FS, b"."))
BETWEEN = st.sampled_from([b"", CR, b"\r\n", b"\n \t", b"\x00", FS, FS + CR])
CUTS = st.lists(st.integers(min_value=1, max_value=40), max_size=60)
ANY_BYTES = st.lists(st.sampled_from([VT, FS, CR, b"a", b" ", b"\x00", b"bc\r"]), max_size=60).map(b"".join)


def cut(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """``data`` in parts of these sizes, the rest whole."""
    parts = []
    for size in sizes:
        parts.append(data[:size])
        data = data[size:]
    return [*parts, data]


def read(*parts: bytes, limit: int = LIMIT) -> list[Frame | Refused]:
    reader = FrameReader(max_message_bytes=limit)
    found = [found for part in parts for found in reader.feed(part)]
    rest = reader.end()
    return [*found, *([rest] if rest else [])]


@given(st.lists(st.tuples(BODY, BETWEEN)), CUTS)
def test_any_cut_of_any_sequence_of_frames_gives_the_same_frames(
    frames: list[tuple[bytes, bytes]], sizes: list[int]
) -> None:
    stream = b"".join(frame(body) + between for body, between in frames)
    assert read(*cut(stream, sizes)) == [Frame(body=body) for body, _ in frames]


@given(ANY_BYTES, CUTS)
def test_any_cut_of_any_bytes_gives_the_same_frames_and_the_same_refusals(stream: bytes, sizes: list[int]) -> None:
    assert read(*cut(stream, sizes), limit=10_000) == read(stream, limit=10_000)


@given(ANY_BYTES, CUTS, st.integers(min_value=1, max_value=20))
def test_under_any_limit_the_frames_do_not_depend_on_the_cut(stream: bytes, sizes: list[int], limit: int) -> None:
    def frames(found: list[Frame | Refused]) -> list[Frame]:
        return [each for each in found if isinstance(each, Frame)]

    assert frames(read(*cut(stream, sizes), limit=limit)) == frames(read(stream, limit=limit))


@given(ANY_BYTES)
def test_no_byte_of_a_message_is_lost(stream: bytes) -> None:
    """Frames and refusals together hold everything but framing bytes and white space between."""
    kept = b"".join(each.body for each in read(stream, limit=10_000))
    assert kept.translate(None, b" \r\x00\x1c") == stream.translate(None, b" \r\x00\x0b\x1c")


def test_an_empty_frame_is_a_message_of_no_bytes() -> None:
    assert read(frame(b"")) == [Frame(body=b"")]


@pytest.mark.parametrize(
    ("stream", "found"),
    [
        (b"junk", [Refused(body=b"junk", reason="no_start_block")]),
        (
            b"junk" + frame(b"m"),
            [Refused(body=b"junk", reason="no_start_block", is_followed=True), Frame(body=b"m")],
        ),
        (VT + b"cut", [Refused(body=b"cut", reason="truncated")]),
        (
            VT + b"cut" + frame(b"m"),
            [Refused(body=b"cut", reason="truncated", is_followed=True), Frame(body=b"m")],
        ),
        (b"ju" + FS + b"nk", [Refused(body=b"ju" + FS + b"nk", reason="no_start_block")]),
        (b"\r\n \x00", []),
        (VT, []),
    ],
)
def test_what_is_no_frame_is_refused_with_its_reason(stream: bytes, found: list[Frame | Refused]) -> None:
    assert read(stream) == found


def test_a_frame_over_the_limit_is_refused_once_and_passed_over_to_its_end() -> None:
    reader = FrameReader(max_message_bytes=4)
    (refused,) = reader.feed(VT + b"12345")
    assert isinstance(refused, Refused)
    assert (refused.reason, reader.is_overrun, reader.is_inside) == ("too_large", True, True)
    assert list(reader.feed(b"6789" * 1000)) == []
    assert list(reader.feed(FS + CR + frame(b"next"))) == [Frame(body=b"next")]
    assert not reader.is_overrun


def test_a_frame_of_exactly_the_limit_is_taken() -> None:
    assert read(frame(b"1234"), limit=4) == [Frame(body=b"1234")]


def test_it_is_known_what_a_silent_peer_left_behind() -> None:
    reader = FrameReader(max_message_bytes=LIMIT)
    states = []
    for part in (b" \r", b"x", VT, b"m", FS):
        list(reader.feed(part))
        states.append((reader.has_junk, reader.is_inside))
    assert states == [(False, False), (True, False), (False, True), (False, True), (False, False)]
