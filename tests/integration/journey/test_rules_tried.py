"""``rules try`` on a few hundred stored messages: what other rules would have started, against what was started."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from journey_world import Journey, adt, oru
from store_fixtures import Clock

from adapters.store import SqlStore
from service.bootstrap import now, open_installation, open_sealed_store
from service.cli.main import run
from service.config import load_settings
from service.pipeline import run_step
from service.visits import Visit, file_visit

VISITS = 102
"""Every third ambulatory in radiotherapy, every third there for a follow-up, every third on a ward."""

AMBULATORY = """
[[letter.rules]]
name = "course"
departments = ["RT-AMB"]
trigger = "course_end"
[[letter.rules]]
name = "visits"
departments = ["RT-NACH*"]
trigger = "follow_up"
[[letter.rules]]
name = "wards"
departments = ["ST*"]
trigger = "discharge"
"""


def of_visit(number: int, body: bytes) -> bytes:
    place = (b"|O|RT-AMB|", b"|O|RT-NACHSORGE|", b"|I|ST1|")[number % 3]
    named = body.replace(b"F4711", f"F{number}".encode()).replace(b"PID-1", f"PID-{number}".encode())
    return named.replace(b"|I|ST1|", place).replace(b"-10|P|", f"-10-{number}|P|".encode())


def course_of(number: int) -> bytes:
    segments = oru(minute=10, value=f"v{number}").split(b"\r")
    obx = b"OBX|1|CE|RT-COURSE-STATUS^^99RT|1|abgeschlossen||||||F"
    return of_visit(number, b"\r".join([*segments[:4], obx]) + b"\r").replace(b"|O|RT-AMB|", b"|||")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EPIKRISE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def hospital(home: Path, clock: Clock) -> Iterator[Journey]:
    _, store = open_sealed_store(load_settings())
    yield Journey(store=store, clock=clock)
    store.close()


def read_all(journey: Journey) -> None:
    while steps := [step for step in journey.due() if step.name == "read"]:
        for step in steps:
            run_step(journey.world, step.id)


def a_week(journey: Journey) -> None:
    """Read under the default rule: each A03 started its letter, and no course and no visit did."""
    for number in range(VISITS):
        trigger = "A01" if number % 3 == 2 else "A04"
        journey.receive(of_visit(number, adt(trigger, minute=0, again=f"-{number}")))
        if number % 3 == 0:
            journey.receive(course_of(number))
        else:
            journey.receive(of_visit(number, adt("A03", minute=20, again=f"-{number}")))
    read_all(journey)


def epikrise(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["epikrise", *arguments])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        run()
    told = capsys.readouterr()
    code = ended.value.code
    return (code if isinstance(code, int) else int(code is not None)), told.out, told.err


def test_rules_are_tried_on_what_is_stored_and_nothing_changes(
    hospital: Journey, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    a_week(hospital)
    (home / "wish.toml").write_text(AMBULATORY)
    before = everything(hospital.store)

    code, out, _ = epikrise(capsys, monkeypatch, "rules", "try", "--rules", str(home / "wish.toml"), "--json")

    report = json.loads(out)
    third = VISITS // 3
    assert (code, report["messages"], report["waiting"]) == (0, VISITS * 2, 0)
    assert report["would_start"]["letters"] == VISITS
    assert {
        (row["department"], row["trigger"], row["letter"]): row["letters"] for row in report["would_start"]["by"]
    } == {
        ("RT-AMB", "course_end", "end_of_radiotherapy"): third,
        ("RT-NACHSORGE", "follow_up", "follow_up"): third,
        ("ST1", "discharge", "discharge"): third,
    }
    assert report["started"]["letters"] == third * 2
    assert {row["department"] for row in report["more"]} == {"RT-AMB"}
    assert (len(report["more"]), report["fewer"]) == (third, [])
    with hospital.store.read() as tx:
        assert {row["case"] for row in report["more"]} <= {case.id for case in tx.cases()}
    assert report["unmatched"] == []
    assert everything(hospital.store) == before
    assert "Beispiel" not in out
    assert "PID-" not in out


def test_departments_whose_visits_end_without_a_rule_are_told(
    hospital: Journey, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital.receive(of_visit(1, adt("A04", minute=0)))
    hospital.receive(of_visit(1, adt("A03", minute=20)))
    hospital.receive(course_of(0))
    (home / "wish.toml").write_text(AMBULATORY.replace("RT-NACH*", "AUGEN").replace("RT-AMB", "AUGEN"))

    _, out, _ = epikrise(capsys, monkeypatch, "rules", "try", "--rules", str(home / "wish.toml"), "--json")

    unmatched = [tuple(row.values()) for row in json.loads(out)["unmatched"]]
    assert sorted(unmatched) == [("", "", "course_end", 1), ("RT-NACHSORGE", "O", "discharge", 1)]


def test_fewer_letters_are_told_by_case_and_control_id_also_in_words(
    hospital: Journey, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital.receive(adt("A03", minute=20))
    read_all(hospital)
    (home / "off.toml").write_text('[[letter.rules]]\nname = "off"\ntrigger = "none"\n')

    code, out, err = epikrise(capsys, monkeypatch, "rules", "try", "--rules", str(home / "off.toml"))

    assert code == 0
    assert hospital.case.id in out
    assert "A03-20" in out
    assert "would have started 0 letter(s) in the last 7 day(s), those in force started 1" in err


def test_a_visit_that_had_its_letter_before_starts_no_second(
    home: Path, clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for ago in (timedelta(days=2), timedelta(hours=1)):
        at = now() - ago
        _, store = open_sealed_store(load_settings(), clock=lambda at=at: at)  # type: ignore[misc]
        journey = Journey(store=store, clock=clock)
        journey.receive(adt("A03", minute=20, again=str(ago.days)))
        read_all(journey)
        store.close()

    code, out, _ = epikrise(capsys, monkeypatch, "rules", "try", "--days", "0.5", "--json")

    report = json.loads(out)
    assert (code, report["messages"]) == (0, 1)
    assert (report["would_start"]["letters"], report["started"]["letters"]) == (0, 0)


def test_messages_that_wait_to_be_read_and_fhir_are_tried_too(
    hospital: Journey, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    encounter: dict[str, Any] = {
        "resourceType": "Encounter",
        "id": "e7",
        "status": "finished",
        "class": {"code": "IMP"},
        "identifier": [{"system": "KIS", "value": "F9"}],
        "location": [{"location": {"display": "ST2"}}],
    }
    file_visit(hospital.world, Visit(encounter=encounter, patient=None, body=orjson.dumps(encounter)))
    hospital.receive(adt("A03", minute=20))

    _, out, _ = epikrise(capsys, monkeypatch, "rules", "try", "--json")

    report = json.loads(out)
    assert (report["messages"], report["waiting"]) == (2, 1)
    assert {(row["department"], row["letters"]) for row in report["would_start"]["by"]} == {("ST1", 1), ("ST2", 1)}
    assert (report["started"]["letters"], [row["case"] for row in report["more"]]) == (1, [None])


def test_the_rules_in_force_are_shown_in_their_order(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "every discharge" in epikrise(capsys, monkeypatch, "rules", "show")[2]
    home.mkdir()
    (home / "epikrise.toml").write_text(AMBULATORY)
    rows = json.loads(epikrise(capsys, monkeypatch, "rules", "show", "--json")[1])
    assert [(row["order"], row["name"], row["trigger"]) for row in rows] == [
        (1, "course", "course_end"),
        (2, "visits", "follow_up"),
        (3, "wards", "discharge"),
    ]
    settings = json.loads(epikrise(capsys, monkeypatch, "config", "check", "--json")[1])
    assert [rule["name"] for rule in settings["letter"]["rules"]] == ["course", "visits", "wards"]
    assert (rows[1]["classes"], rows[1]["at"], rows[0]["letter"]) == (["O"], "end", "end_of_radiotherapy")


def test_an_installation_asks_the_rules_of_its_settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    (home / "epikrise.toml").write_text(AMBULATORY)
    monkeypatch.setenv("EPIKRISE_BROKER__URL", "redis://127.0.0.1:1/0")
    installation = open_installation(load_settings())
    asked = [rule.name for rule in installation.world.rules.starts]
    installation.close()
    assert asked == ["course", "visits", "wards"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[mllp]\nport = 1\n", "has no letter.rules"),
        ('[[letter.rules]]\nname = "a"\ntrigger = "birthday"\n', "letter.rules.0.trigger"),
        ("[[letter", "is not TOML"),
    ],
)
def test_rules_that_cannot_be_read_are_named_with_file_and_place(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, text: str, place: str
) -> None:
    home.mkdir()
    (home / "wish.toml").write_text(text)
    code, out, err = epikrise(capsys, monkeypatch, "rules", "try", "--rules", str(home / "wish.toml"))
    assert (code, out) == (2, "")
    assert place in err
    assert "wish.toml" in err


def everything(store: SqlStore) -> tuple[object, ...]:
    with store.read() as tx:
        cases = tx.cases(limit=1000)
        return (cases, [tx.steps_of(case.id) for case in cases], tx.audit_trail())
