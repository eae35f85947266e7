"""Acknowledgements as built, checked by a parser that is not ours, and as read."""

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7.ack import build_ack, read_ack, refuse
from adapters.hl7.message import Segment, read_message
from adapters.hl7.text import escape
from service.errors import UnusableInput
from service.intake import acknowledge
from service.intake.answer import REJECTED, UNAVAILABLE
from service.model import Ack, AckError

ERROR = AckError(code="101", location="PID-3", text="Required field missing: patient identifier")
REFUSED = Ack(mode="original", code="AE", error=ERROR)
ACCEPTED = Ack(mode="original", code="AA")


def a_header(*, version: str = "2.5", control_id: str = "M1", charset: str = "", encoding: str = "utf-8") -> Segment:
    text = f"MSH|^~\\&|KIS^1.2^ISO|KH|EPI|STR|20260312||ADT^A03|{control_id}|P|{version}||||||{charset}\r"
    return read_message(text.encode(encoding)).header


def segments(body: bytes) -> dict[str, list[str]]:
    return {line[:3]: line.split("|") for line in body.decode().rstrip("\r").split("\r")}


@pytest.mark.parametrize("ack", [ACCEPTED, REFUSED])
@pytest.mark.parametrize("version", ["2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.2"])
def test_hl7apy_finds_an_answer_valid_in_the_version_of_the_question(version: str, ack: Ack) -> None:
    """From 2.3.1 on: before it MSH-9 names no structure, and without one hl7apy validates nothing."""
    body = build_ack(a_header(version=version), ack).decode()
    parsed = parse_message(body, validation_level=VALIDATION_LEVEL.STRICT)
    assert parsed.validate()
    assert (parsed.msa.msa_1.value, parsed.msa.msa_2.value) == (ack.code, "M1")


@pytest.mark.parametrize(("version", "kind"), [("2.1", "ACK"), ("2.2", "ACK^A03"), ("2.3", "ACK^A03")])
def test_before_2_3_1_the_type_names_no_structure_and_the_error_stands_in_err_1(version: str, kind: str) -> None:
    answer = segments(build_ack(a_header(version=version), REFUSED))
    assert answer["MSH"][8] == kind
    assert answer["ERR"] == ["ERR", "PID^1^3^101&Required field missing&HL70357"]


def test_sender_and_receiver_change_places() -> None:
    assert segments(build_ack(a_header(), ACCEPTED))["MSH"][2:6] == ["EPI", "STR", "KIS^1.2^ISO", "KH"]


def test_without_a_header_the_answer_still_says_who_we_are_and_what_is_wrong() -> None:
    answer = segments(build_ack(None, REFUSED))
    assert (answer["MSH"][2], answer["MSA"][1:3]) == ("EPIKRISE", ["AE", ""])
    assert answer["ERR"][2:4] == ["PID^1^3", "101^Required field missing^HL70357"]


@given(st.text(alphabet="Aä1|^~&\\ #", min_size=1, max_size=20).map(str.strip).filter(bool))
def test_msa_2_gives_the_control_id_back_whatever_is_in_it(control_id: str) -> None:
    built = build_ack(a_header(control_id=escape(control_id), charset="UNICODE UTF-8"), ACCEPTED)
    assert read_ack(built).control_id == control_id


@pytest.mark.parametrize(
    "control_id", ["A^B", "A&B~C", "A\\B", "A\\T\\B", "\\.br\\", "{3F2504E0-4F89}", " 7 ", "M\xfc"]
)
@pytest.mark.parametrize("charset", ["", "UNICODE UTF-8", "8859/1", "8859/7", "ASCII"])
def test_msa_2_is_msh_10_byte_for_byte(control_id: str, charset: str) -> None:
    sent = f"MSH|^~\\&|K|F|E|S|2026||ADT^A03|{control_id}|P|2.5||||||{charset}\r".encode("latin-1")
    assert f"\rMSA|AA|{control_id}\r".encode("latin-1") in build_ack(read_message(sent).header, ACCEPTED)


def test_a_sender_with_other_separators_gets_its_control_id_escaped_for_ours() -> None:
    header = read_message(b"MSH#*!?%#K%1#F*x#E#S#2026##ADT*A03#A|B^C?T?D#P#2.5#\r").header
    built = build_ack(header, ACCEPTED)
    assert read_ack(built).control_id == "A|B^C%D"
    assert segments(built)["MSH"][4:6] == ["K%1", "F^x"]


def test_sender_and_character_sets_are_given_back_as_they_were_sent() -> None:
    header = read_message(
        b"MSH|^~\\&|K&1.2&ISO|F|E^2^ISO|S|2026||ADT^A03|M1|P^T|2.5.1^DEU||||||ASCII~ISO IR87\r"
    ).header
    msh = segments(build_ack(header, ACCEPTED))["MSH"]
    assert (msh[2:6], msh[10:12], msh[17]) == (
        ["E^2^ISO", "S", "K&1.2&ISO", "F"],
        ["P^T", "2.5.1^DEU"],
        "ASCII~ISO IR87",
    )


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_sender_of_wide_characters_is_answered_in_them(encoding: str) -> None:
    text = "MSH|^~\\&|K|F|E|S|2026||ADT^A03|Mü1|P|2.5||||||UNICODE UTF-16\r"
    built = build_ack(read_message(text.encode(encoding)).header, REFUSED)
    assert "\rMSA|AE|Mü1|" in built.decode(encoding)
    assert read_ack(built).control_id == "Mü1"


@pytest.mark.parametrize(("version", "told"), [("2.3.0", "2.3.0"), (" v2.4 ", "2.4"), ("", "2.5"), ("3.0", "2.5")])
def test_the_answer_is_of_the_version_of_the_question_where_it_has_one(version: str, told: str) -> None:
    answer = segments(build_ack(a_header(version=version), REFUSED))
    assert answer["MSH"][11] == told
    assert answer["ERR"][1] == ("" if told == "2.5" else "PID^1^3^101&Required field missing&HL70357")


@pytest.mark.parametrize(
    "version", ["2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8.2"]
)
@pytest.mark.parametrize(
    ("code", "place", "body"),
    [
        ("101", ("MSH", "9"), "MSH|^~\\&|K|F|E|S|2026|||M1|P|{}\r"),
        ("101", ("MSH", "10"), "MSH|^~\\&|K|F|E|S|2026||ADT^A03||P|{}\r"),
        ("200", ("MSH", "9"), "MSH|^~\\&|K|F|E|S|2026||QRY^A19|M1|P|{}\r"),
        ("201", ("MSH", "9"), "MSH|^~\\&|K|F|E|S|2026||ADT^A99|M1|P|{}\r"),
        ("202", ("MSH", "11"), "MSH|^~\\&|K|F|E|S|2026||ADT^A03|M1|X|{}\r"),
        ("101", ("PID", "3"), "MSH|^~\\&|K|F|E|S|2026||ADT^A03|M1|P|{}\r"),
        ("100", ("PV1", ""), "MSH|^~\\&|K|F|E|S|2026||ADT^A03|M1|P|{}\rPID|1||P1\r"),
    ],
)
def test_every_refusal_names_code_and_place_in_every_version(
    version: str, code: str, place: tuple[str, str], body: str
) -> None:
    message = read_message(body.format(version).encode())
    given = segments(build_ack(message.header, acknowledge(message)))
    told = given["ERR"]
    if int(version[2]) >= 5:
        assert (told[2].split("^"), told[3][:3], told[4]) == ([place[0], "1", *filter(None, place[1:])], code, "E")
        assert 0 < len(told[8]) <= 250
    else:
        assert told[1].split("^")[:3] == [place[0], "1", place[1]]
        assert told[1].split("^")[3][:3] == code
    assert len(given["MSA"]) == 3 if int(version[2]) >= 7 else 0 < len(given["MSA"][3]) <= 80


def test_no_two_answers_have_one_control_id() -> None:
    assert len({segments(build_ack(a_header(), ACCEPTED))["MSH"][9] for _ in range(500)}) == 500


def test_the_answer_is_in_the_character_set_of_the_question() -> None:
    header = a_header(control_id="Ä", charset="8859/1", encoding="latin-1")
    assert b"MSA|AA|\xc4\r" in build_ack(header, ACCEPTED)


def test_what_may_not_be_answered_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="must not be answered"):
        build_ack(a_header(), Ack(mode="original", code=None))


def test_a_refusal_of_anything_follows_the_senders_mode() -> None:
    enhanced = b"MSH|^~\\&|A|B|C|D|2026||ADT^A03|M1|P|2.5|||AL\r"
    silent = enhanced.replace(b"|||AL", b"|||NE")
    assert read_ack(refuse(b"junk", REJECTED, ERROR) or b"").code == "AR"
    assert read_ack(refuse(enhanced, UNAVAILABLE, ERROR) or b"").code == "CE"
    assert refuse(silent, REJECTED, ERROR) is None


@pytest.mark.parametrize("version", ["2.3", "2.5", "2.7"])
def test_error_and_text_are_read_from_any_version(version: str) -> None:
    ack = read_ack(build_ack(a_header(version=version), REFUSED))
    assert (ack.code, ack.control_id, ack.error_code, ack.is_positive) == ("AE", "M1", "101", False)
    assert "Required field missing" in ack.text


@pytest.mark.parametrize("body", [b"", b"HTTP/1.1 200 OK", b"MSH|^~\\&|A\r", b"MSH|^~\\&|A\rMSA||M1\r"])
def test_what_is_no_acknowledgement_is_refused(body: bytes) -> None:
    with pytest.raises(UnusableInput):
        read_ack(body)
