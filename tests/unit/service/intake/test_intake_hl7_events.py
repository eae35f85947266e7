"""Types and triggers, movements, merges and moves, as chapters 2, 3, 4, 6, 7, 9, 10 and 12 mean them."""

import pytest
from hl7_messages import adt, header, raw

from service.intake import understand
from service.model import Event, Reading

PID, PV1 = "PID|1||P1^^^KIS^MR||Beispiel^Berta", "PV1|1|I|STRA^2^1|||||||RAD|||||||||F1^^^KIS^VN"


def reading(kind: str, *lines: str) -> Reading:
    return understand(raw(header(kind), *(lines or (PID, PV1))))


@pytest.mark.parametrize(
    ("event", "kinds"),
    [
        (Event.ADMIT, "ADT^A01 ADT^A04 ADT^A05 adt^a01"),
        (Event.TRANSFER, "ADT^A02 ADT^A09 ADT^A10"),
        (Event.DISCHARGE, "ADT^A03 ADT_A03 ADT^A03^ADT_A03 ADT^ADT_A03 Adt^a03^Adt_A03"),
        (Event.UPDATE, "ADT^A06 ADT^A07 ADT^A08 ADT^A14 ADT^A15 ADT^A16 ADT^A21 ADT^A22 ADT^A25 ADT^A26 ADT^A27"),
        (Event.UPDATE, "ADT^A17 ADT^A28 ADT^A31 ADT^A52 ADT^A53 ADT^A54 ADT^A55 ADT^A60 ADT^A61 ADT^A62"),
        (Event.CANCEL_ADMIT, "ADT^A11 ADT^A23 ADT^A38"),
        (Event.CANCEL_TRANSFER, "ADT^A12 ADT^A32 ADT^A33"),
        (Event.CANCEL_DISCHARGE, "ADT^A13"),
        (Event.MERGE, "ADT^A18 ADT^A30 ADT^A34 ADT^A36 ADT^A39 ADT^A40 ADT^A46 ADT^A47 ADT^A48"),
        (Event.CHANGE_VISIT, "ADT^A35 ADT^A41 ADT^A42 ADT^A43 ADT^A44 ADT^A45 ADT^A49 ADT^A50 ADT^A51"),
        (Event.IGNORED, "ADT^A20 ADT^A24 ADT^A29 ADT^A37 ADT^Z99 BAR^P02 BAR^P06 SIU^S23 SIU^S24"),
        (Event.RESULT, "ORU^R01 ORU^R03 ORU^R04 ORU^R30 ORU^R31 ORU^R32 ORU"),
        (Event.ORDER, "ORM^O01 OMG^O19 OML^O21 OML^O33"),
        (Event.MEDICATION, "OMP^O09 RDE^O11 RDE^O01 RDS^O13 RAS^O17 RGV^O15"),
        (Event.DOCUMENT, " ".join(f"MDM^T{number:02}" for number in range(1, 11))),
        (Event.CANCEL_DOCUMENT, "MDM^T11"),
        (Event.APPOINTMENT, "SIU^S12 SIU^S13 SIU^S14 SIU^S18 SIU^S22 SIU^S27"),
        (Event.CANCEL_APPOINTMENT, "SIU^S15 SIU^S16 SIU^S17 SIU^S26"),
        (Event.DIAGNOSIS, "BAR^P01 BAR^P05 BAR^P12 PPR^PC1 PPR^PC2 PPR^PC3"),
    ],
)
def test_every_published_trigger_is_taken_as_its_event(event: Event, kinds: str) -> None:
    for kind in kinds.split():
        read = reading(kind)
        assert (kind, read.event, read.ack.code) == (kind, event, "AA")
        assert read.starts_letter is (event is Event.DISCHARGE)
        is_cut_short = event in (Event.MERGE, Event.CHANGE_VISIT)  # it has no MRG here
        assert bool(read.warnings) is (event is Event.IGNORED or "A17" in kind or is_cut_short)


@pytest.mark.parametrize("kind", ["ADT^A19", "ADT^A56", "ADT^Z01", "ORU^R99", "MDM^T12", "SIU^S11", "MDM", "ADT"])
def test_a_trigger_that_its_type_does_not_have_is_refused(kind: str) -> None:
    error = reading(kind).ack.error
    assert error is not None
    assert error.code == "201"


@pytest.mark.parametrize("kind", ["DFT^P03", "QRY^A19", "VXU^V04", "MFN^M02", "ORR^O02", "XYZ"])
def test_a_type_that_no_case_needs_is_refused(kind: str) -> None:
    read = reading(kind)
    assert read.ack.error is not None
    assert (read.ack.code, read.ack.error.code, read.fields.patient_id, read.fields.visit) == ("AR", "200", "P1", "F1")


@pytest.mark.parametrize(
    ("trigger", "action", "event"),
    [
        ("A03", "INSERT", Event.DISCHARGE),
        ("A03", "UPDATE", Event.DISCHARGE),
        ("A03", "CANCEL", Event.CANCEL_DISCHARGE),
        ("A03", "delete", Event.CANCEL_DISCHARGE),
        ("A01", "CANCEL", Event.CANCEL_ADMIT),
        ("A02", "DELETE", Event.CANCEL_TRANSFER),
        ("A13", "CANCEL", Event.CANCEL_DISCHARGE),
        ("A08", "REFERENCE", Event.UPDATE),
        ("Z99", "UPDATE", Event.UPDATE),
        ("Z99", "CANCEL", Event.IGNORED),
        ("Z99", "INSERT", Event.IGNORED),
    ],
)
def test_a_movement_that_is_undone_outranks_the_trigger(trigger: str, action: str, event: Event) -> None:
    read = reading(f"ADT^{trigger}", PID, PV1, f"ZBE|1^KIS|20260312||{action}|N|A03")
    assert (read.event, read.ack.code) == (event, "AA")


def test_a_bed_status_names_no_patient_and_needs_none() -> None:
    assert reading("ADT^A20", "NPU|STRA^2^1|C").ack.code == "AA"


# ---------------------------------------------------------------- the header, leniently


@pytest.mark.parametrize("version", ["2.1", " 2.3 ", "2.3.0", "2.5.1^DEU^2.6", "v2.4", "2.8.2", "2.9", "2.7.1"])
def test_every_known_major_form_of_the_version_is_taken(version: str) -> None:
    read = understand(raw(header().replace("|2.5|", f"|{version}|"), PID, PV1))
    assert (read.ack.code, read.warnings) == ("AA", ())


def test_a_message_without_a_version_is_taken_and_one_of_another_world_is_not() -> None:
    silent = understand(raw(header().replace("|2.5|", "||"), PID, PV1))
    assert silent.ack.code == "AA"
    assert any("MSH-12" in warning for warning in silent.warnings)
    for version in ("3.0", "2", "2.0", "FHIR"):
        error = understand(raw(header().replace("|2.5|", f"|{version}|"), PID, PV1)).ack.error
        assert error is not None
        assert error.code == "203"


@pytest.mark.parametrize("processing", ["P^T", "P", " P "])
def test_a_processing_mode_beside_production_changes_nothing(processing: str) -> None:
    assert understand(adt(processing=processing)).starts_letter
    assert not understand(adt(processing=processing.replace("P", "D"))).starts_letter


@pytest.mark.parametrize("kind", ["MDM", "BAR", "ADT"])
def test_a_trigger_that_only_evn_names_is_taken(kind: str) -> None:
    trigger = {"MDM": "T02", "BAR": "P01", "ADT": "A03"}[kind]
    assert reading(kind, f"EVN|{trigger}|20260312", PID, PV1).type == f"{kind}^{trigger}"


def test_two_names_for_the_event_are_warned_of_and_the_header_is_believed() -> None:
    read = reading("ADT^A08", "EVN|A03|20260312", PID, PV1)
    assert (read.event, len(read.warnings)) == (Event.UPDATE, 1)


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize("pid", ["PID|1|P7^^^KIS", "PID|1|||P7^^^KIS", 'PID|1|P7^^^KIS|""|P8'])
def test_an_old_message_may_number_its_patient_elsewhere(pid: str) -> None:
    read = reading("ADT^A01", pid, "PV1|1|I" + "|" * 42 + "20260301")
    assert (read.ack.code, read.patient_key, read.fields.patient_id) == ("AA", "KIS|P7", "")
    assert read.case_key == "KIS|P7|2026-02-28T23:00:00+00:00"


def test_department_and_class_are_told_and_pv1_10_stands_in_for_the_ward() -> None:
    first, second = reading("ADT^A01"), reading("ADT^A01", PID, PV1.replace("STRA^2^1", ""))
    assert (first.department, first.patient_class, second.department) == ("STRA", "I", "RAD")


def test_a_patient_is_told_apart_by_authority_and_number() -> None:
    assert reading("ADT^A31").patient_key == "KIS|P1"
    assert understand(raw(header("ADT^A31"), PID), authorities={"KIS": "HIS"}).patient_key == "HIS|P1"
    assert understand(raw(header("ADT^A31"), "PID|1||P1")).patient_key == "KH|P1"


@pytest.mark.parametrize(
    ("kind", "mrg", "former_patient", "former_case"),
    [
        ("ADT^A40", "MRG|P0^^^KIS^MR", "KIS|P0", None),
        ("ADT^A40", "MRG|P0", "KIS|P0", None),
        ("ADT^A40", "MRG|X^^^KK^NI~P0^^^KIS", "KIS|P0", None),
        ("ADT^A40", "MRG|P1^^^ANDERES^MR", "ANDERES|P1", None),
        ("ADT^A18", "MRG|||||V9", None, None),
        ("ADT^A46", "MRG||||E1^^^KIS", "KIS|E1", None),
        ("ADT^A50", "MRG|P1^^^KIS^MR||||F0^^^KIS^VN", None, "KIS|F0"),
        ("ADT^A50", "MRG|P1||||F0", None, "KIS|F0"),
        ("ADT^A45", "MRG|P0^^^KIS^MR||||F1^^^KIS^VN", "KIS|P0", None),
        ("ADT^A42", "MRG|P0||K9||F0", "KIS|P0", "KIS|F0"),
        ("ADT^A08", "MRG|P0||||F0", None, None),
    ],
)
def test_what_a_merge_or_a_move_replaces_is_named(
    kind: str, mrg: str, former_patient: str | None, former_case: str | None
) -> None:
    read = reading(kind, PID, mrg, PV1)
    assert (read.former_patient_key, read.former_case_key) == (former_patient, former_case)
    assert (read.patient_key, read.case_key) == ("KIS|P1", "KIS|F1")


def test_where_accounts_are_merged_the_account_names_the_visit() -> None:
    read = reading("ADT^A35", PID + "|" * 13 + "F1^^^KIS", "MRG|P1^^^KIS||F0^^^KIS")
    assert (read.case_key, read.former_case_key, read.former_patient_key) == ("KIS|F1", "KIS|F0", None)


def test_of_several_merges_in_one_message_it_is_said_that_the_first_is_followed() -> None:
    read = reading("ADT^A40", PID, "MRG|P0", "PID|2||P3", "MRG|P2")
    assert (read.patient_key, read.former_patient_key) == ("KIS|P1", "KIS|P0")
    assert any("first is followed" in warning for warning in read.warnings)


@pytest.mark.parametrize("kind", ["ORU^R01", "ORM^O01", "MDM^T02", "ADT^A08", "SIU^S12"])
def test_of_several_patients_in_one_message_the_first_is_read_and_the_others_are_told_of(kind: str) -> None:
    read = reading(kind, PID, "PID|2||P3^^^KIS", PV1.replace("F1", "F9"))
    assert "more than one patient in one message: the first is followed, the rest is kept" in read.warnings
    assert (read.patient_key, read.case_key, read.fields.visit) == ("KIS|P1", None, "")
    assert not any(
        "more than one" in warning for warning in reading(kind, PID, PV1, PID, PV1).warnings if kind[0] != "A"
    )


def test_the_second_patients_result_gives_the_message_no_time() -> None:
    other = ("PID|2||P3^^^KIS", "OBR|1|||LAB|||20200101")
    assert reading("ORU^R01", PID, PV1, *other).event_time == reading("ORU^R01", PID, PV1).event_time
