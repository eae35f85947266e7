"""What a message leaves in doubt is told, and never with its content."""

import pytest
from hl7_messages import header, raw

from adapters.hl7.ack import build_ack
from adapters.hl7.message import read_message
from service.chart import build_chart
from service.intake import acknowledge, understand
from service.intake.numbers import NO_PRIOR


@pytest.mark.parametrize(
    "trigger", ["A18", "A30", "A34", "A35", "A36", "A40", "A41", "A42", "A43", "A44", "A45", "A50"]
)
def test_a_merge_without_a_prior_number_is_warned_of(trigger: str) -> None:
    segments = (header(f"ADT^{trigger}"), "PID|1||P1^^^KIS^MR", "PV1|1|I|||||||||||||||||F1^^^KIS^VN")
    without, deleted, named = (
        understand(raw(*segments, *mrg)) for mrg in ((), ('MRG|""',), ("MRG|P0^^^KIS^MR||||F0^^^KIS^VN",))
    )
    assert (without.ack.code, without.former_patient_key, without.former_case_key) == ("AA", None, None)
    assert [set(each.warnings) & set(NO_PRIOR) for each in (without, deleted, named)] == [
        {"no prior number (MRG): nothing is merged or moved"},
        {"no prior patient identifier (MRG-1)"},
        set(),
    ]


@pytest.mark.parametrize("trigger", ["A01", "A03", "A08", "A24", "A31"])
def test_what_needs_no_prior_number_is_not_warned_of_one(trigger: str) -> None:
    reading = understand(raw(header(f"ADT^{trigger}"), "PID|1||P1^^^KIS^MR", "PV1|1|I|||||||||||||||||F1"))
    assert not set(reading.warnings) & set(NO_PRIOR)


@pytest.mark.parametrize(
    ("names", "family"),
    [
        ("Mädchen^Eva^^^^^M~Test^Eva^^^^^L", "Test"),
        ("Test^Eva^^^^^L~Mädchen^Eva^^^^^M", "Test"),
        ("Mädchen^Eva^^^^^M~Test^Eva", "Test"),
        ("Mädchen^Eva^^^^^M~Kunst^Eva^^^^^S", "Mädchen"),
        ("Test^Eva~Kunst^Eva", "Test"),
        ("Test", "Test"),
        ("", ""),
    ],
)
def test_the_legal_name_is_the_patients_in_the_fields_and_in_the_chart(names: str, family: str) -> None:
    message = raw(header(), f"PID|1||P1^^^KIS^MR||{names}||19610504", "PV1|1|I|||||||||||||||||F1")
    fact = build_chart([message], []).get("patient.family")
    assert understand(message).fields.family == family == (fact.value if fact else "")


@pytest.mark.parametrize("born", ["19500229", "29.02.1952", "1950-02-28", "0"])
def test_a_birth_date_that_is_none_is_named_and_left_out(born: str) -> None:
    reading = understand(raw(header(), f"PID|1||P1^^^KIS^MR||Beispiel||{born}", "PV1|1|I|||||||||||||||||F1"))
    assert reading.fields.birth_date == ""
    assert reading.warnings == ("PID-7 is not a date that HL7 knows",)


@pytest.mark.parametrize("born", ["19520229", "1952", "195202290815", '""', ""])
def test_a_birth_date_that_is_one_or_deleted_or_absent_is_no_doubt(born: str) -> None:
    reading = understand(raw(header(), f"PID|1||P1^^^KIS^MR||Beispiel||{born}", "PV1|1|I|||||||||||||||||F1"))
    assert reading.warnings == ()


BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("charset", "name", "family", "doubt"),
    [
        (b"UNICODE UTF-8", "Tëst".encode(), "Tëst", ""),
        (b"UNICODE UTF-8", b"T\xebst", "Tëst", "some bytes are not in the character set of the message"),
        (b"ASCII", "Tëst".encode(), "Tëst", "the bytes are not in the character set of MSH-18: read as utf-8"),
        (b"ASCII", b"T\xebst", "Tëst", "the bytes are not in the character set of MSH-18: read as latin-1"),
        (b"ASCII", b"T\xebst\x80", "Tëst€", "the bytes are not in the character set of MSH-18: read as cp1252"),
        (b"ASCII", b"Test", "Test", ""),
        (b"KLINGON", b"Test", "Test", "MSH-18 names a character set that is not known: read as utf-8"),
        (b"8859/1~KLINGON", b"T\xebst", "Tëst", "MSH-18 names a character set that is not known: read as iso8859-1"),
        (b"8859/1", b"T\xebst", "Tëst", ""),
        (b"8859/1", b"T\xebst\x80", "Tëst€", "bytes that no set of ISO 8859 has (0x80-0x9F): read as Windows-1252"),
        (b"8859/1", b"T\xebst\x81\x80", "Tëst\x81€", "bytes that no set of ISO 8859 has"),
        (b"8859/2", b"T\xebst\x80", "Tëst\x80", ""),
        (b"", b"T\xebst", "Tëst", ""),
        (b"", b"T\xebst\x80", "Tëst€", "bytes that no set of ISO 8859 has"),
        (b"", "Tëst€".encode(), "Tëst€", ""),
        (b'""', b"T\xebst", "Tëst", ""),
        (b"8859/7", b"T\xffst", "Tÿst", "some bytes are not in the character set of the message"),
    ],
)
def test_a_doubtful_character_set_is_warned_of(charset: bytes, name: bytes, family: str, doubt: str) -> None:
    reading = understand(read_message(_in_bytes(charset, name)))
    assert reading.fields.family == family
    assert len(reading.warnings) == bool(doubt)
    assert "".join(reading.warnings).startswith(doubt)
    assert family not in "".join(reading.warnings)


@pytest.mark.parametrize(
    ("charset", "name", "family", "doubt"),
    [
        (b"8859/1", "Tëst".encode(), "Tëst", "a byte order mark of UTF-8 stands against MSH-18: read as UTF-8"),
        (b"8859/15", "Tëst".encode(), "Tëst", "a byte order mark of UTF-8 stands against MSH-18: read as UTF-8"),
        (b"UNICODE UTF-8", "Tëst".encode(), "Tëst", ""),
        (b"", "Tëst".encode(), "Tëst", ""),
        (b"", "Tëst^".encode() + b"\xeb", "Tëst", "some bytes are not in the character set of the message"),
        (b"8859/1", b"T\xebst", "Tëst", ""),
    ],
)
def test_a_byte_order_mark_outranks_msh_18(charset: bytes, name: bytes, family: str, doubt: str) -> None:
    reading = understand(read_message(BOM + _in_bytes(charset, name)))
    assert reading.fields.family == family
    assert len(reading.warnings) == bool(doubt)
    assert "".join(reading.warnings).startswith(doubt)


def test_an_answer_to_windows_1252_gives_msh_10_back_byte_for_byte() -> None:
    message = read_message(_in_bytes(b"8859/1", b"T\xebst", control_id=b"M\x80\x81"))
    assert b"|M\x80\x81\r" in build_ack(message.header, acknowledge(message))


def _in_bytes(charset: bytes, name: bytes, *, control_id: bytes = b"M1") -> bytes:
    msh = b"MSH|^~\\&|KIS|KH|EPI|STR|20260312113000||ADT^A03|" + control_id + b"|P|2.5||||||" + charset
    return msh + b"\rPID|1||P1^^^KIS^MR||" + name + b"\rPV1|1|I|||||||||||||||||F1\r"
