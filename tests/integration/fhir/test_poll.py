"""The EHR asked by time, where nothing notifies: cursor, pages, overlap, versions, and failures in between."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from fhir_fixtures import SandboxEhr
from intake_service import Service, running_service
from test_subscription_followed import a_course, another, encounter, ward

from service.cli.following import Follower
from service.errors import EhrRefused, EhrUnavailable, StoreUnavailable
from service.model import CaseState, Event

__all__ = ["ward"]

KEY = "KIS|F4711"


@pytest.fixture
def polling(ward: SandboxEhr, tmp_path: Path) -> Iterator[Service]:
    with running_service(tmp_path / "service", ward.base, poll_seconds=60) as running:
        yield running


def poll(service: Service) -> int:
    return Follower(service.installation).poll()


def cursor(service: Service, name: str = "Encounter") -> str | None:
    with service.installation.store.read() as tx:
        return tx.cursor(f"fhir.read.{name}")


def states(service: Service) -> dict[str, CaseState]:
    return {case.key: case.state for case in service.cases()}


def test_a_poll_files_what_changed_and_knows_it_the_next_time(polling: Service, ward: SandboxEhr) -> None:
    assert poll(polling) == 1
    seen = cursor(polling)
    assert poll(polling) == 0
    assert cursor(polling) == seen
    stored = ward.put(encounter())
    assert poll(polling) == 1
    assert states(polling) == {KEY: CaseState.DISCHARGED}
    assert datetime.fromisoformat(str(cursor(polling))) == datetime.fromisoformat(stored["meta"]["lastUpdated"])
    assert polling.bells.rung == ["chart"]


def test_the_patient_is_read_with_the_visit_so_that_adt_and_poll_know_one_patient(
    polling: Service, ward: SandboxEhr
) -> None:
    poll(polling)
    with polling.installation.store.read() as tx:
        assert tx.cases_of_patients(["https://kis.example/pid|PID-1"])


def test_many_pages_are_read_to_their_end(polling: Service, ward: SandboxEhr) -> None:
    everything = [{"resource": another(number)} for number in range(1, 131)]
    assert ward.post("", {"resourceType": "Bundle", "type": "collection", "entry": everything}).status_code == 200
    assert poll(polling) == 131
    assert len(polling.cases()) == 131


def test_a_page_that_fails_leaves_the_cursor_and_the_next_poll_files_only_the_rest(
    polling: Service, ward: SandboxEhr
) -> None:
    before = (poll(polling), cursor(polling))[1]
    ward.put(another(1))
    ward.put(another(2))
    polling.store.is_away = True
    with pytest.raises(StoreUnavailable):
        poll(polling)
    polling.store.is_away = False
    assert cursor(polling) == before
    ward.arm("unavailable", method="GET", path="/fhir/Procedure")
    with pytest.raises(EhrUnavailable):
        poll(polling)  # a crash after the Encounters, before the Procedures
    assert cursor(polling) != before
    assert poll(polling) == 0
    assert len(polling.kept()) == 3


def test_a_crash_before_the_cursor_moved_files_nothing_twice(polling: Service, ward: SandboxEhr) -> None:
    poll(polling)
    ward.put(encounter())
    before = cursor(polling)
    assert poll(polling) == 1
    with polling.installation.store.begin() as tx:
        tx.set_cursor("fhir.read.Encounter", str(before))
    assert poll(polling) == 0
    assert states(polling) == {KEY: CaseState.DISCHARGED}


def test_what_is_recorded_with_a_clock_behind_is_found_by_the_overlap(polling: Service, ward: SandboxEhr) -> None:
    poll(polling)
    ward.put(encounter())
    ahead = datetime.fromisoformat(str(cursor(polling))) + timedelta(seconds=100)
    with polling.installation.store.begin() as tx:
        tx.set_cursor("fhir.read.Encounter", ahead.isoformat())
    assert poll(polling) == 1
    assert datetime.fromisoformat(str(cursor(polling))) == ahead, "a cursor goes back for nothing"


def test_a_version_that_a_notification_told_already_is_not_filed_again(polling: Service, ward: SandboxEhr) -> None:
    stored = ward.put(encounter())
    assert polling.post("/fhir/notify", {**stored, "language": "de"}).status_code == 200
    assert poll(polling) == 0
    assert len(polling.kept()) == 1


def test_the_end_of_a_course_is_found_and_filed_once_with_its_visit(polling: Service, ward: SandboxEhr) -> None:
    poll(polling)
    ward.put(a_course())
    assert poll(polling) == 1
    assert poll(polling) == 0
    ward.put(encounter(status="onleave"))
    assert poll(polling) == 1, "the visit changed, the course did not"
    assert [stored.event for stored in polling.kept()] == [Event.ADMIT, Event.RESULT, Event.UPDATE]


def test_procedures_out_of_our_scope_do_not_stop_the_visits(
    polling: Service, ward: SandboxEhr, caplog: pytest.LogCaptureFixture
) -> None:
    ward.arm("forbidden", method="GET", path="/fhir/Procedure")
    assert poll(polling) == 1
    told = [vars(each) for each in caplog.records if each.msg == "poll_refused"]
    assert {(each["type"], each["status"]) for each in told} == {("Procedure", 403)}
    ward.arm("forbidden", method="GET", path="/fhir/Encounter")
    with pytest.raises(EhrRefused, match="Encounter: HTTP 403"):
        poll(polling)


def test_an_empty_hook_after_a_restart_tells_also_what_came_while_nobody_listened(
    ward: SandboxEhr, tmp_path: Path
) -> None:
    with running_service(tmp_path / "service", ward.base, poll_seconds=60) as first:
        poll(first)
        with first.installation.store.begin() as tx:  # as if the last question was long ago
            tx.set_cursor("fhir.read.Encounter", "2026-01-01T00:00:00+00:00")
    ward.put(encounter())
    with running_service(tmp_path / "service", ward.base) as second:
        assert second.post("/fhir/notify").status_code == 200
        assert states(second) == {KEY: CaseState.DISCHARGED}
