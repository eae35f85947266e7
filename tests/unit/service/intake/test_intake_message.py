"""What an HL7 v2 message means for its case."""

import time
from zoneinfo import ZoneInfo

import pytest
from bench.reading import full_message
from hl7_messages import adt, header, oru, raw
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7.message import read_message
from service.errors import UnusableInput
from service.intake import understand
from service.model import Event


@pytest.mark.parametrize(
    ("trigger", "event"),
    [
        ("A01", Event.ADMIT),
        ("A03", Event.DISCHARGE),
        ("A08", Event.UPDATE),
        ("A11", Event.CANCEL_ADMIT),
        ("A12", Event.CANCEL_TRANSFER),
        ("A13", Event.CANCEL_DISCHARGE),
    ],
)
def test_each_adt_trigger_is_its_event_of_the_same_case(trigger: str, event: Event) -> None:
    reading = understand(adt(trigger))
    assert (reading.event, reading.case_key, reading.type) == (event, "KIS|F1", f"ADT^{trigger}")
    assert reading.ack.code == "AA"
    assert reading.warnings == ()


def test_a_result_belongs_to_the_visit_that_it_names() -> None:
    reading = understand(oru())
    assert (reading.event, reading.case_key, reading.starts_letter) == (Event.RESULT, "KIS|F1", False)


def test_only_a_discharge_starts_a_letter() -> None:
    assert {trigger: understand(adt(trigger)).starts_letter for trigger in ("A01", "A03", "A08", "A13")} == {
        "A01": False,
        "A03": True,
        "A08": False,
        "A13": False,
    }


@pytest.mark.parametrize("patient_class", ["I", "O", "R", ""])
def test_an_outpatient_series_ends_with_a_letter_like_a_stay(patient_class: str) -> None:
    """Radiotherapy is mostly given to outpatients, so PV1-2 decides nothing."""
    assert understand(adt(patient_class=patient_class)).starts_letter


@pytest.mark.parametrize("processing", ["T", "D"])
def test_training_and_debugging_messages_are_taken_and_start_no_letter(processing: str) -> None:
    reading = understand(adt(processing=processing))
    assert (reading.event, reading.starts_letter, reading.ack.code) == (Event.DISCHARGE, False, "AA")
    assert any("MSH-11" in warning for warning in reading.warnings)


# ---------------------------------------------------------------- the case


@pytest.mark.parametrize(
    ("visit", "key"),
    [
        ("F1^^^KIS^VN", "KIS|F1"),
        ("F1^^^KIS&1.2.3&ISO^VN", "KIS|F1"),
        ("F1^^^&1.2.3&ISO^VN", "urn:oid:1.2.3|F1"),
        ("F1", "KH|F1"),
        ("F|1^^^K|S".replace("|", "\\F\\"), "K%7CS|F%7C1"),
    ],
)
def test_the_visit_number_and_its_authority_are_the_case(visit: str, key: str) -> None:
    assert understand(adt(visit=visit)).case_key == key


@pytest.mark.parametrize("visit", ["F1^^^KIS^VN", "F1^^^&1.2.3&ISO^VN", "F1^^^KIS&1.2.3&ISO^VN"])
def test_every_name_of_a_mapped_authority_is_one_case(visit: str) -> None:
    authorities = {"KIS": "HIS", "urn:oid:1.2.3": "HIS"}
    assert understand(adt(visit=visit), authorities=authorities).case_key == "HIS|F1"


def test_without_a_visit_number_patient_and_admission_are_the_case_and_it_is_warned_of() -> None:
    admitted, discharged = understand(adt("A01", visit="")), understand(adt("A03", visit='""'))
    assert admitted.case_key == discharged.case_key == "KIS|P1|2026-03-01T07:00:00+00:00"
    assert any("PV1-19" in warning for warning in discharged.warnings)
    assert discharged.starts_letter


def test_a_discharge_with_neither_is_a_case_of_its_own_that_a_person_sees() -> None:
    reading = understand(adt(visit="", admitted="", discharged="20260312091500"))
    assert reading.case_key == "KIS|P1|2026-03-12T08:15:00+00:00"
    assert any("of its own" in warning for warning in reading.warnings)


def test_an_update_with_neither_belongs_to_no_case() -> None:
    reading = understand(adt("A08", visit="", admitted=""))
    assert (reading.case_key, reading.ack.code) == (None, "AA")
    assert any("no case" in warning for warning in reading.warnings)


def test_of_several_patient_numbers_the_record_number_is_meant() -> None:
    patient = "X9^^^KK^NI~P1^^^KIS^MR~77^^^KIS^PI"
    assert understand(adt(patient=patient)).fields.patient_id == "P1"
    assert understand(adt(patient=patient, visit="")).case_key == "KIS|P1|2026-03-01T07:00:00+00:00"


# ---------------------------------------------------------------- times and fields


@pytest.mark.parametrize(
    ("occurred", "event_time"),
    [
        ("20260312093000", "2026-03-12T08:30:00+00:00"),
        ("20260712093000", "2026-07-12T07:30:00+00:00"),
        ("20260312093000+0500", "2026-03-12T04:30:00+00:00"),
        ("20260312093000.25-0130", "2026-03-12T11:00:00.250000+00:00"),
        ("202603120930", "2026-03-12T08:30:00+00:00"),
        ("", "2026-03-12T09:00:00+00:00"),
        ("2026-03-12", "2026-03-12T09:00:00+00:00"),
        ("20260231", "2026-03-12T09:00:00+00:00"),
    ],
)
def test_the_time_of_the_event_is_in_utc_and_evn_2_stands_in(occurred: str, event_time: str) -> None:
    assert understand(adt(occurred=occurred)).event_time == event_time


def test_a_time_that_is_none_is_named_and_passed_over() -> None:
    assert "EVN-6 is not a time that HL7 knows" in understand(adt(occurred="gestern")).warnings


def test_a_time_without_an_offset_is_read_in_the_configured_zone() -> None:
    reading = understand(adt(), local=ZoneInfo("America/New_York"))
    assert reading.event_time == "2026-03-12T13:30:00+00:00"


def test_a_result_happened_when_it_was_observed() -> None:
    assert understand(oru()).event_time == "2026-03-11T06:00:00+00:00"
    assert understand(oru(observed="")).event_time == "2026-03-11T07:00:00+00:00"


def test_the_fields_are_told_as_read() -> None:
    fields = understand(adt()).fields
    assert (fields.patient_id, fields.visit, fields.family, fields.given, fields.birth_date, fields.event_time) == (
        "P1",
        "F1",
        "Beispiel",
        "Berta",
        "1961-05-04",
        "2026-03-12T08:30:00+00:00",
    )


def test_an_event_named_only_in_evn_is_understood() -> None:
    reading = understand(raw(header("ADT"), "EVN|A03|20260312", "PID|1||P1", "PV1|1|I|||||||||||||||||F1"))
    assert (reading.event, reading.type) == (Event.DISCHARGE, "ADT^A03")


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("lines", "code", "error", "place", "event"),
    [
        ((header(control_id=""),), "AE", "101", "MSH-10", Event.DISCHARGE),
        ((header(""),), "AE", "101", "MSH-9", Event.IGNORED),
        ((header("QRY^A19"),), "AR", "200", "MSH-9", Event.IGNORED),
        ((header("ADT^A99"),), "AR", "201", "MSH-9", Event.IGNORED),
        ((header(), "PV1|1|I"), "AE", "101", "PID-3", Event.DISCHARGE),
        ((header(), "PID|1||P1"), "AE", "100", "PV1", Event.DISCHARGE),
    ],
)
def test_what_is_lacking_is_refused_with_its_place_and_told_as_what_it_would_have_been(
    lines: tuple[str, ...], code: str, error: str, place: str, event: Event
) -> None:
    reading = understand(raw(*lines))
    assert reading.ack.error is not None
    assert (reading.ack.code, reading.ack.error.code, reading.ack.error.location) == (code, error, place)
    assert (reading.event, reading.case_key, reading.starts_letter) == (event, None, False)


def test_without_a_processing_id_a_message_is_production_and_says_so() -> None:
    reading = understand(raw(header().replace("|P|", "||", 1), "PID|1||P1", "PV1|1|I|||||||||||||||||F1"))
    assert (reading.ack.code, reading.event, reading.starts_letter) == ("AA", Event.DISCHARGE, True)
    assert any("MSH-11" in warning for warning in reading.warnings)


def test_a_refusal_names_what_would_be_understood_and_quotes_nothing() -> None:
    error = understand(raw(header("GEHEIM^X99"), "PID|1||P1||Geheimname")).ack.error
    assert error is not None
    assert "ADT" in error.text
    assert "eheim" not in error.text.lower()


def test_an_acknowledgement_is_ignored_and_not_answered() -> None:
    reading = understand(raw(header("ACK"), "MSA|AA|X1"))
    assert (reading.event, reading.ack.code, reading.ack.error) == (Event.IGNORED, None, None)


# ---------------------------------------------------------------- anything at all

_LINE = st.text(alphabet='|^~\\&"\r\n0123456789AEMPV ü\x00', max_size=60)


@given(
    st.sampled_from(["ADT^A01", "ADT^A03", "ADT^A08", "ADT^A13", "ORU^R01", "ADT", "", "ACK"]),
    st.lists(st.tuples(st.sampled_from(["PID", "PV1", "EVN", "OBR", "MSA", "ZZZ", ""]), _LINE), max_size=6),
)
def test_nothing_in_a_message_can_make_understanding_fail(kind: str, segments: list[tuple[str, str]]) -> None:
    reading = understand(raw(header(kind), *(f"{name}|{text}" for name, text in segments)))
    assert reading.ack.mode == "original"
    assert not reading.starts_letter or reading.case_key


@given(st.binary(max_size=300))
def test_any_bytes_are_either_read_or_unusable_input(data: bytes) -> None:
    try:
        message = read_message(data)
    except UnusableInput:
        return
    understand(message)


def test_reading_behind_the_acknowledgement_keeps_up_with_full_messages() -> None:
    """Fifty full version 2.8 messages a second are promised; it is thousands on an idle core."""
    body = full_message()
    reading = understand(read_message(body))
    assert (reading.event, reading.case_key, reading.starts_letter) == (Event.DISCHARGE, "KIS|F1", True)
    started = time.process_time()
    for _ in range(100):
        understand(read_message(body))
    assert 100 / (time.process_time() - started) > 50
