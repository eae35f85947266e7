"""Whatever is wrong, the answer is one sentence that names it, the right exit code, and nothing on stdout."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from operator_desk import Operator, a_case, epikrise, home, store

from adapters.store import SqlStore

__all__ = ["epikrise", "home", "store"]

SECRET = "hunter2-geheim"
BUNDLE = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {
            "resource": {
                "resourceType": "Condition",
                "id": "c1",
                "code": {"coding": [{"system": "http://fhir.de/CodeSystem/bfarm/icd-10-gm", "code": "C50.4"}]},
            }
        }
    ],
}


def refused(answer: object, code: int, *named: str) -> None:
    assert (answer.code, answer.out) == (code, "")  # type: ignore[attr-defined]
    text = " ".join(answer.err.split())  # type: ignore[attr-defined]
    assert all(each in text for each in named), text
    assert SECRET not in text


@pytest.fixture
def chart_file(tmp_path: Path) -> Path:
    file = tmp_path / "chart.json"
    file.write_text(json.dumps(BUNDLE))
    return file


@pytest.mark.parametrize(
    ("name", "value", "setting"),
    [
        ("EPIKRISE_MLLP__PORT", SECRET, "mllp.port"),
        ("EPIKRISE_MLLP__PORT", "70000", "mllp.port"),
        ("EPIKRISE_MLLP__PRT", "1", "mllp.prt: there is no such setting"),
        ("EPIKRISE_NOTHING__X", "1", "nothing: there is no such setting"),
        ("EPIKRISE_MLLP", "1", "EPIKRISE_MLLP is no setting"),
        ("EPIKRISE_LETTER__LANGUAGE", "fr", "letter.language"),
        ("EPIKRISE_EHR__FHIR_URL", f"https://user:{SECRET}@ehr.example/fhir", "ehr.fhir_url"),
        ("EPIKRISE_EHR__FHIR_URL", SECRET, "ehr.fhir_url"),
        ("EPIKRISE_EHR__VISIT_SYSTEMS", '{"KIS" = ', "EPIKRISE_EHR__VISIT_SYSTEMS"),
        ("EPIKRISE_MLLP__CERTIFICATE", "/etc/x.pem", "certificate and key go together"),
        *(
            ("EPIKRISE_STORE__URL", url, "store.url: is neither sqlite:")
            for url in (f"mysql://u:{SECRET}@h/d", SECRET, "sqlite://", "sqlite:///:memory:", "postgresql://")
        ),
    ],
)
def test_a_wrong_setting_in_the_environment_is_named_and_its_value_kept(
    epikrise: Operator, monkeypatch: pytest.MonkeyPatch, name: str, value: str, setting: str
) -> None:
    monkeypatch.setenv(name, value)

    refused(epikrise("queue", "status"), 2, setting)
    refused(epikrise("config", "check"), 2, setting)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[mllp]\nport = 'x'", "mllp.port"),
        ("[mllp]\nprot = 1", "mllp.prot: there is no such setting"),
        ("mllp = 5", "mllp"),
        ("home = '/x'", "home"),
        (f"[ehr\ntoken = '{SECRET}'", "epikrise.toml is not TOML"),
        ("\ud800", "is not UTF-8"),
    ],
)
def test_a_wrong_settings_file_is_named_with_its_setting(epikrise: Operator, home: Path, text: str, named: str) -> None:
    home.mkdir()
    (home / "epikrise.toml").write_bytes(text.encode("utf-8", "surrogatepass"))

    refused(epikrise("config", "check"), 2, named)


def test_the_settings_are_shown_without_their_secrets(epikrise: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPIKRISE_EHR__TOKEN", SECRET)
    monkeypatch.setenv("EPIKRISE_WEB__INTAKE_TOKEN", "12345678901")
    monkeypatch.setenv("EPIKRISE_STORE__URL", f"postgresql://epikrise:{SECRET}@db/epikrise")
    monkeypatch.setenv("EPIKRISE_BROKER__URL", f"redis://:{SECRET}@redis/0")

    for arguments in (("config", "check"), ("config", "check", "--json")):
        answer = epikrise(*arguments)
        assert answer.code == 0
        assert SECRET not in answer.out + answer.err
        assert "12345678901" not in answer.out + answer.err


def test_a_file_that_a_setting_names_must_be_there(epikrise: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPIKRISE_MODEL__DIRECTORY", "/nowhere/model")

    refused(epikrise("config", "check"), 2, "model.directory")


def test_a_home_that_cannot_be_made_is_named(
    epikrise: Operator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EPIKRISE_HOME", str(tmp_path / "file" / "home"))

    refused(epikrise("queue", "status"), 2, "EPIKRISE_HOME", str(tmp_path / "file"))


def test_a_lost_key_is_a_dependency_that_is_missing_and_no_new_one_is_made(
    epikrise: Operator, store: SqlStore, home: Path
) -> None:
    a_case(store)
    shutil.rmtree(home / "keys")

    refused(epikrise("case", "list"), 3, "key", "restore")
    doctor = epikrise("doctor", "--json")
    assert doctor.code == 3
    assert {row["check"]: row["code"] for row in doctor.data}["store"] == "key_missing"
    assert not list(home.glob("keys/*.key"))


def test_a_store_of_a_newer_release_is_told(epikrise: Operator, store: SqlStore, home: Path) -> None:
    import sqlite3

    with sqlite3.connect(home / "epikrise.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999_future'")

    refused(epikrise("case", "list"), 2, "9999_future", "newer")


def test_doctor_looks_without_making_anything(epikrise: Operator, home: Path) -> None:
    answer = epikrise("doctor", "--json")

    assert not home.exists()
    rows = {row["check"]: row for row in answer.data}
    assert set(rows) == {"home", "store", "broker", "workers", "ehr", "subscription", "model", "gpu"}
    assert (rows["home"]["state"], rows["store"]["state"]) == ("warning", "warning")
    assert all(row["remedy"] for row in answer.data if row["state"] != "ok")
    assert rows["broker"]["code"] == "broker_unavailable"
    assert answer.code == 3


@pytest.mark.parametrize(
    "command",
    [
        ("message", "list"),
        ("message", "show", "x"),
        ("case", "list"),
        ("case", "show", "x"),
        ("queue", "status"),
        ("queue", "dead"),
        ("audit", "verify"),
        ("rules", "try"),
    ],
)
@pytest.mark.parametrize("there_is", ["no home", "an empty home"])
def test_a_command_that_looks_makes_no_store(
    epikrise: Operator, home: Path, command: tuple[str, ...], there_is: str
) -> None:
    if there_is == "an empty home":
        home.mkdir()

    refused(epikrise(*command), 2, f"no store in {home}", "EPIKRISE_HOME")
    assert not home.exists() or not list(home.iterdir())


def test_doctor_names_a_neighbour_that_does_not_answer(epikrise: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPIKRISE_EHR__FHIR_URL", "http://127.0.0.1:9/fhir")

    answer = epikrise("doctor", "--json")

    assert {row["check"]: row["code"] for row in answer.data}["ehr"] == "ehr_unavailable"
    assert answer.code == 3


def test_doctor_tells_a_wrong_store_among_its_rows(epikrise: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPIKRISE_STORE__URL", f"postgresql://u:{SECRET}@127.0.0.1:9/d")

    answer = epikrise("doctor", "--json")

    assert {row["check"]: row["state"] for row in answer.data}["store"] == "failed"
    assert SECRET not in answer.out + answer.err


@pytest.mark.parametrize("command", [("chart",), ("draft",), ("verify", "--letter", __file__, "--chart")])
@pytest.mark.parametrize(
    ("content", "named"),
    [(None, "No such file"), (b"{ not json", "is not JSON"), (b"\x00\xff garbage", "input"), (b"", "input")],
)
def test_an_unreadable_chart_file_is_named(
    epikrise: Operator, tmp_path: Path, command: tuple[str, ...], content: bytes | None, named: str
) -> None:
    file = tmp_path / "input.any"
    if content is not None:
        file.write_bytes(content)

    refused(epikrise(*command, str(file)), 2, "input.any", named)


def test_a_letter_that_is_not_text_is_named(epikrise: Operator, chart_file: Path, tmp_path: Path) -> None:
    (tmp_path / "letter").write_bytes(b"\xff\xfe\x00")

    refused(
        epikrise("verify", "--chart", str(chart_file), "--letter", str(tmp_path / "letter")), 2, "letter is not UTF-8"
    )


@pytest.mark.parametrize("command", [("draft",), ("model", "verify"), ("model", "list")])
def test_a_missing_model_directory_is_a_dependency_that_is_missing(
    epikrise: Operator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chart_file: Path, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("EPIKRISE_MODEL__DIRECTORY", str(tmp_path / "nowhere"))

    refused(
        epikrise(*command, *([str(chart_file)] if command == ("draft",) else [])), 3, "nowhere/manifest.json is missing"
    )


def test_one_changed_byte_of_a_model_is_exit_3_and_the_file(
    epikrise: Operator, tmp_path: Path, chart_file: Path
) -> None:
    from workers.writer.manifest import write_manifest

    (tmp_path / "model" / "base").mkdir(parents=True)
    weights = tmp_path / "model" / "base" / "model.safetensors"
    weights.write_bytes(b"weights")
    write_manifest(tmp_path / "model", name="ours")
    assert epikrise("model", "verify", str(tmp_path / "model"), "--json").data["intact"] is True
    weights.write_bytes(b"weightz")

    for command in (("model", "verify"), ("draft", str(chart_file), "--model")):
        refused(epikrise(*command, str(tmp_path / "model")), 3, "model.safetensors differs")


@pytest.mark.parametrize(
    "arguments", [("unknown",), ("case",), ("case", "show"), ("draft",), ("verify", "--letter", "x"), ("queue", "--no")]
)
def test_a_command_that_is_not_understood_is_exit_2(epikrise: Operator, arguments: tuple[str, ...]) -> None:
    assert epikrise(*arguments).code == 2


@pytest.mark.parametrize("lang", ["fr", "", "DE"])
def test_an_unknown_language_is_exit_2(epikrise: Operator, chart_file: Path, lang: str) -> None:
    refused(epikrise("chart", str(chart_file), "--lang", lang), 2, "--lang")


def test_a_fault_of_the_program_names_its_place_and_quotes_nothing(
    epikrise: Operator, monkeypatch: pytest.MonkeyPatch, chart_file: Path
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(f"Frau Müller {SECRET}")

    monkeypatch.setattr("service.cli.letters.build_chart", broken)

    refused(epikrise("draft", str(chart_file)), 1, "unexpected RuntimeError at test_cli_operator_bad_input.py")


@pytest.mark.parametrize(("no_color", "plain"), [("1", True), ("", False)])
def test_no_color_leaves_errors_plain_even_where_colour_is_forced(home: Path, no_color: str, plain: bool) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "service.cli", "queue", "pause", "letters"],
        cwd=Path(__file__).parents[4],
        env={**os.environ, "EPIKRISE_HOME": str(home), "FORCE_COLOR": "1", "TERM": "xterm", "NO_COLOR": no_color},
        check=False,
        capture_output=True,
        text=True,
    )

    assert ended.returncode == 2
    assert ("\x1b" not in ended.stderr) is plain


def test_verify_gives_the_contracts_json_and_exit_1_for_what_blocks(
    epikrise: Operator, tmp_path: Path, chart_file: Path
) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Diagnose: Mammakarzinom (C61). Bestrahlung bis 54,0 Gy.", encoding="utf-8")

    answer = epikrise("verify", "--chart", str(chart_file), "--letter", str(letter), "--json")

    assert answer.code == 1
    assert set(answer.data) == {"verdict", "findings", "supported", "facts"}
    assert answer.data["verdict"] == "blocked"
    assert {"kind", "type", "span", "text", "severity", "chart", "message"} <= set(answer.data["findings"][0])
    assert set(answer.data["facts"]) == {"stated", "left_out", "missing"}
