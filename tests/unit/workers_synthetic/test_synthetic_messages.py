"""Synthetic cases as HL7 v2: readable by somebody else's parser, and the same case as the Bundle."""

from pathlib import Path
from typing import Any

import pytest
from hl7apy.parser import parse_message

from service.model import Lang
from workers.training.synthetic import SITES, SyntheticCase, generate_case, write_case

LANGUAGES: tuple[Lang, ...] = ("de", "en")


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("site", SITES)
def test_hl7apy_reads_admission_results_and_discharge_in_this_order(site: str, lang: Lang) -> None:
    messages = [_read(body) for body in generate_case(3, lang=lang, site=site).messages]

    assert [each.msh.msh_9.to_er7() for each in messages] == ["ADT^A01^ADT_A01", "ORU^R01^ORU_R01", "ADT^A03^ADT_A03"]
    for each in messages:
        assert (each.msh.msh_11.to_er7(), each.msh.msh_12.to_er7()) == ("P", "2.5.1")
        assert each.msh.msh_18.to_er7() == "UNICODE UTF-8"


def test_messages_and_bundle_name_the_same_patient_and_visit() -> None:
    for seed in range(40):
        case = generate_case(seed, lang="de")
        encounter = _resource(case, "Encounter")

        assert encounter["identifier"][0] == encounter["identifier"][0] | {
            "system": "urn:epikrise:synthetic:visit",
            "value": case.visit_number,
        }
        for body in case.messages:
            message = _read(body)
            assert message.pv1.pv1_19.to_er7() == f"{case.visit_number}^^^EPIKRISE-SYN^VN"
            assert message.pid.pid_3.to_er7() == f"{case.mrn}^^^EPIKRISE-SYN^MR"
            assert message.pid.pid_5.to_er7().startswith(f"{case.family}^{case.given}^")
            assert message.pid.pid_7.to_er7() == f"{case.birth_date:%Y%m%d}"


def test_control_ids_differ_and_hold_no_record_or_visit_number() -> None:
    cases = [generate_case(seed, lang=lang) for seed in range(100) for lang in LANGUAGES]
    identifiers = [_read(body).msh.msh_10.to_er7() for case in cases[:20] for body in case.messages]

    assert len(set(identifiers)) == len(identifiers)
    for case in cases[:20]:
        assert not any(case.mrn in each or case.visit_number in each for each in identifiers)


def test_radiotherapy_results_state_each_volume_under_its_course() -> None:
    for seed in range(40):
        case = generate_case(seed, lang="en")
        rows = [row for row in _segments(case.messages[1], "OBX") if row[3].endswith("^99RT")]
        doses = {row[4]: row[5] for row in rows if row[3].startswith("RT-VOLUME-DOSE")}
        names = {row[4]: row[5] for row in rows if row[3].startswith("RT-VOLUME-NAME")}

        assert doses.keys() == names.keys()
        assert {row[4] for row in rows if row[3].startswith("RT-FRACTIONS")} == {part.split(".")[0] for part in doses}
        assert {row[6] for row in rows if row[3].startswith("RT-VOLUME-DOSE")} == {"Gy^Gy^UCUM"}


def test_files_are_written_under_names_that_tell_nothing_of_the_patient(tmp_path: Path) -> None:
    case = generate_case(5, lang="de", site="prostate")

    written = write_case(case, tmp_path / "case")

    assert [path.name for path in written] == ["bundle.json", "messages.hl7"]
    assert written[1].read_bytes() == b"".join(case.messages)


def _read(body: bytes) -> Any:
    return parse_message(body.decode(), find_groups=False)


def _segments(body: bytes, name: str) -> list[list[str]]:
    rows = [row.split("|") for row in body.decode().split("\r") if row.startswith(name)]
    return [row + [""] * (20 - len(row)) for row in rows]


def _resource(case: SyntheticCase, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        row["resource"] for row in case.bundle["entry"] if row["resource"]["resourceType"] == kind
    )
    return found
