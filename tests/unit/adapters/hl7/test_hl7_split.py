"""One file, one or many messages."""

import pytest

from adapters.hl7.message import read_message, split_messages
from service.errors import UnusableInput

A = b"MSH|^~\\&|KIS|KH|||2026||ADT^A01|1|P|2.5\rPID|1||9\r"
B = b"MSH|^~\\&|KIS|KH|||2026||ADT^A03|2|P|2.5\rPID|1||9"


def control_ids(data: bytes) -> list[str]:
    return [read_message(body).control_id for body in split_messages(data)]


@pytest.mark.parametrize(
    "data",
    [
        A + B,
        A + b"\n" + B + b"\n",
        (A + B).replace(b"\r", b"\n"),
        (A + B).replace(b"\r", b"\r\n"),
        b"\x0b" + A + b"\x1c\r\x0b" + B + b"\x1c\r",
        b"\x0b" + A + b"\x1c\x0b" + B + b"\x1c",
        b"FHS|^~\\&|KIS\rBHS|^~\\&|KIS\r" + A + B + b"\rBTS|2\rFTS|1\r",
        b"\xef\xbb\xbf" + A + B,
        (A + B).decode().encode("utf-16"),
        b"-- exported --\r" + A + B,
    ],
)
def test_each_message_of_a_file_is_found(data: bytes) -> None:
    assert control_ids(data) == ["1", "2"]


def test_batch_and_framing_lines_belong_to_no_message() -> None:
    bodies = split_messages(b"FHS|^~\\&\rBHS|^~\\&\r" + A + b"BTS|1\rBHS|^~\\&\r" + B + b"\rBTS\rFTS")
    assert [bytes(body).rstrip(b"\r") for body in bodies] == [A.rstrip(b"\r"), B]


def test_a_message_keeps_its_bytes() -> None:
    latin = A.replace(b"||9", b"||9||M\xfcller")
    assert split_messages(latin + B)[0] == latin


@pytest.mark.parametrize("data", [b"", b"{}", b"FHS|^~\\&\rFTS|0\r", b"PID|1||9\r"])
def test_a_file_without_a_message_is_refused(data: bytes) -> None:
    with pytest.raises(UnusableInput, match="MSH"):
        split_messages(data)
