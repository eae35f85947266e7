"""What a message leaves in doubt is told, and never with its content."""

import pytest
from hl7_messages import header, raw

from service.chart import build_chart
from service.intake import understand
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
