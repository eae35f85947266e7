"""``epikrise chart`` and ``verify`` on files: any mix of HL7 v2 files and FHIR R4 Bundles."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from service.cli.main import app
from service.errors import UnusableInput, WrongSetting
from workers.training.synthetic import generate_case, write_case


@pytest.fixture
def written(tmp_path: Path) -> tuple[Path, Path]:
    """Bundle and messages of one invented visit."""
    return write_case(generate_case(11, lang="de", site="breast"), tmp_path)


def chart(*arguments: Path | str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["chart", *map(str, arguments), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def told(report: dict[str, Any]) -> dict[str, str]:
    return {fact["handle"]: fact["value"] for fact in report["facts"]}


def test_a_bundle_alone_messages_alone_and_both_tell_one_visit(written: tuple[Path, Path]) -> None:
    bundle, messages = written

    fhir, hl7, both = chart(bundle), chart(messages), chart(messages, bundle)

    assert both == fhir
    assert told(hl7).items() <= told(fhir).items()
    assert {"patient.name", "visit.number", "diagnosis.1.icd10", "course.1.volume.1.dose"} <= told(hl7).keys()
    for report in (fhir, hl7, both):
        assert list(report) == ["facts", "conflicts", "warnings"]
        assert report["conflicts"] == []
        assert [each for each in report["warnings"] if not each.endswith(": dose in cGy, told in Gy")] == []
        assert all(
            set(fact) == {"handle", "type", "value", "unit", "display", "source", "importance"}
            for fact in report["facts"]
        )


@pytest.mark.parametrize("framing", ["one a file", "linefeeds", "mllp frames", "batch"])
def test_messages_come_in_every_packing(written: tuple[Path, Path], tmp_path: Path, framing: str) -> None:
    bodies = [b"MSH" + part for part in written[1].read_bytes().split(b"MSH")[1:]]
    packed = {
        "one a file": bodies,
        "linefeeds": [b"".join(bodies).replace(b"\r", b"\r\n")],
        "mllp frames": [b"".join(b"\x0b" + body + b"\x1c\r" for body in bodies)],
        "batch": [b"FHS|^~\\&|\rBHS|^~\\&|\r" + b"".join(bodies) + b"BTS|3\rFTS|1\r"],
    }[framing]
    files = []
    for place, content in enumerate(packed):
        files.append(tmp_path / f"{place}.hl7")
        files[-1].write_bytes(content)

    assert chart(*reversed(files)) == chart(written[1])


def test_displays_are_in_the_language_asked_for(written: tuple[Path, Path]) -> None:
    english = {fact["handle"]: fact["display"] for fact in chart(written[0], "--lang", "en")["facts"]}

    assert "." not in english["course.1.start"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b'{"resourceType": "Bundle", "entry": 3}', "Bundle.entry"),
        (b"[1]", "Bundle"),
        (b"{", "not JSON"),
        (b"x", "MSH"),
    ],
)
def test_a_file_that_is_neither_is_refused_by_its_name_and_fault(tmp_path: Path, content: bytes, named: str) -> None:
    file = tmp_path / "odd.json"
    file.write_bytes(content)

    result = CliRunner().invoke(app, ["chart", str(file), "--json"])

    assert isinstance(result.exception, UnusableInput)
    assert "odd.json" in str(result.exception)
    assert named in str(result.exception)
    assert result.exception.exit_code == 2


def test_a_file_that_is_neither_is_told_both_forms(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")

    result = CliRunner().invoke(app, ["chart", str(tmp_path / "empty")])

    assert isinstance(result.exception, UnusableInput)
    assert "FHIR" in result.exception.remedy
    assert "HL7" in result.exception.remedy


def test_a_finding_for_people_quotes_the_words_that_it_is_about(written: tuple[Path, Path], tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("There were distant metastases in the liver.\n", encoding="utf-8")

    result = CliRunner().invoke(
        app, ["verify", "--chart", str(written[0]), "--letter", str(letter), "--lang", "en"], env={"NO_COLOR": "1"}
    )

    assert "“metastases”" in result.stderr


def test_the_institutions_own_codes_come_from_the_file_that_the_setting_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("system: ARIA\ncodes: {DOSIS: volume.dose}\n", encoding="utf-8")
    path = tmp_path / "told.hl7"
    path.write_text(
        "MSH|^~\\&|RV|H|EPI|RT|20260313||ORU^R01|M1|P|2.5.1\rOBX|1|NM|DOSIS^x^ARIA|1.1|5040|cGy|||||F\r",
        encoding="utf-8",
    )
    monkeypatch.setenv("EPIKRISE_HOME", str(tmp_path))

    assert "course.1.volume.1.dose" not in told(chart(path))
    monkeypatch.setenv("EPIKRISE_CHART__OBX_MAPPING", str(own))
    assert told(chart(path)) == {"course.1.volume.1.dose": "50.4"}

    own.write_text("codes: [DOSIS]", encoding="utf-8")
    refused = CliRunner().invoke(app, ["chart", str(path), "--json"])
    assert isinstance(refused.exception, WrongSetting)
    assert refused.exception.detail == f"chart.obx_mapping: {own}: codes: no table"
