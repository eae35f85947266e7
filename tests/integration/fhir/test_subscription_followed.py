"""Our own Subscription at a real server: what it tells, what it loses, and how it is kept."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fhir_fixtures import Resource, SandboxEhr, a_visit
from intake_service import Service, running_service

from adapters.fhir.subscription import SubscriptionKeeper
from adapters.sandbox.subscriptions import TOPIC
from service.cli.following import REMOVED, Follower, keeper_of
from service.errors import EhrUnavailable
from service.following import catch_up
from service.model import CaseState, Event
from service.subscriptions import OurSubscription, keep_subscription, our_subscription

KEY = "KIS|F4711"


@pytest.fixture
def ward(sandbox_ehr: SandboxEhr) -> SandboxEhr:
    """With a patient and a visit under way."""
    for resource in a_visit():
        sandbox_ehr.put({**resource, "status": "in-progress"} if resource["resourceType"] == "Encounter" else resource)
    return sandbox_ehr


def encounter(**members: Any) -> Resource:
    (found,) = (each for each in a_visit() if each["resourceType"] == "Encounter")
    return {**found, **members}


def another(number: int, **members: Any) -> Resource:
    system = "https://kis.example/fall"
    return encounter(id=f"v{number}", identifier=[{"system": system, "value": f"F{number}"}], **members)


def a_course(**members: Any) -> Resource:
    code = {"coding": [{"system": "http://snomed.info/sct", "code": "1217123003"}]}
    return {
        "resourceType": "Procedure",
        "id": "rt1",
        "status": "completed",
        "code": code,
        "subject": {"reference": "Patient/p1"},
        "encounter": {"reference": "Encounter/e1"},
        **members,
    }


@pytest.fixture
def backport(ward: SandboxEhr, tmp_path: Path) -> Iterator[Service]:
    with running_service(tmp_path / "service", ward.base, subscribe="backport", topic=TOPIC) as running:
        subscribe(running, ward)
        yield running


@pytest.fixture
def classic(ward: SandboxEhr, tmp_path: Path) -> Iterator[Service]:
    with running_service(tmp_path / "service", ward.base, subscribe="classic") as running:
        subscribe(running, ward)
        yield running


def subscribe(service: Service, ehr: SandboxEhr) -> None:
    keep(service)
    ehr.settle()
    assert keep(service) == "active"


def keep(service: Service) -> str:
    return Follower(service.installation).keep_subscription().state


def states(service: Service) -> dict[str, CaseState]:
    return {case.key: case.state for case in service.cases()}


def last_number(service: Service) -> str | None:
    with service.installation.store.read() as tx:
        return tx.cursor(f"fhir.events.{our_subscription(tx).reference}")


def subscriptions(ehr: SandboxEhr) -> list[Resource]:
    return ehr.client.search("Subscription", ())


# ---------------------------------------------------------------- what it tells


@pytest.mark.parametrize("kind", ["backport", "classic"])
def test_a_discharge_is_told_and_starts_a_letter(kind: str, ward: SandboxEhr, request: pytest.FixtureRequest) -> None:
    service: Service = request.getfixturevalue(kind)
    assert states(service)[KEY] is CaseState.OPEN
    ward.put(encounter())
    ward.settle()
    assert states(service)[KEY] is CaseState.DISCHARGED
    assert service.bells.rung == ["chart"]


def test_each_kind_of_payload_leads_to_the_visit(backport: Service, ward: SandboxEhr) -> None:
    for number, content in enumerate(("empty", "id-only", "full-resource"), start=1):
        (ours,) = subscriptions(ward)
        ours["channel"]["_payload"]["extension"][0]["valueCode"] = content
        ward.client.update(ours)
        ward.put(another(number))
        ward.settle()
        assert states(backport)[f"KIS|F{number}"] is CaseState.DISCHARGED
        assert last_number(backport) == str(number)


def test_a_lost_event_shows_as_a_gap_and_is_read_from_the_servers_memory(backport: Service, ward: SandboxEhr) -> None:
    ward.arm("lose_hook", method="HOOK", path="/hooks/", times=2)
    ward.put(another(1))
    ward.put(another(2))
    ward.settle()
    assert last_number(backport) is None or last_number(backport) == "0"
    ward.put(another(3))
    ward.settle()
    assert {"KIS|F1", "KIS|F2", "KIS|F3"} <= states(backport).keys()
    assert last_number(backport) == "3"


def test_where_the_server_has_no_memory_the_gap_is_read_by_time(backport: Service, ward: SandboxEhr) -> None:
    (ours,) = subscriptions(ward)
    ward.arm("lose_hook", method="HOOK", path="/hooks/")
    ward.put(another(1))
    ward.arm("forbidden", method="GET", path=f"/fhir/Subscription/{ours['id']}/$events")
    ward.put(another(2))
    ward.settle()
    assert {"KIS|F1", "KIS|F2"} <= states(backport).keys()
    assert last_number(backport) == "2"


def test_a_heartbeat_shows_the_gap_where_no_further_event_comes(backport: Service, ward: SandboxEhr) -> None:
    ward.arm("lose_hook", method="HOOK", path="/hooks/")
    ward.put(another(1))
    ward.settle()
    assert "KIS|F1" not in states(backport)
    ward.heartbeat()
    assert states(backport)["KIS|F1"] is CaseState.DISCHARGED


def test_the_status_asked_for_shows_the_gap_where_not_even_a_heartbeat_comes(
    backport: Service, ward: SandboxEhr
) -> None:
    ward.arm("lose_hook", method="HOOK", path="/hooks/")
    ward.put(another(1))
    ward.settle()
    keep(backport)
    assert states(backport)["KIS|F1"] is CaseState.DISCHARGED


def test_while_the_gap_cannot_be_read_the_number_stays_and_the_sender_sends_again(
    backport: Service, ward: SandboxEhr
) -> None:
    ward.arm("lose_hook", method="HOOK", path="/hooks/")
    ward.put(another(1))
    ward.arm("unavailable", method="GET", path="/fhir/Subscription/", times=1)
    ward.put(another(2))
    ward.settle()
    assert {"KIS|F1", "KIS|F2"} <= states(backport).keys()
    assert ward.http.get(f"{ward.root}/sandbox/faults").text == ""


def test_events_that_come_twice_and_in_the_wrong_order_harm_nothing(backport: Service, ward: SandboxEhr) -> None:
    ward.arm("lose_hook", method="HOOK", path="/hooks/", times=3)
    for number in (1, 2, 3):
        ward.put(another(number))
    ward.settle()
    (ours,) = subscriptions(ward)
    told = [ward.client.events(f"Subscription/{ours['id']}", number, number) for number in (1, 2, 3)]
    for bundle in told:
        bundle["entry"][0]["resource"]["parameter"][3]["valueCode"] = "event-notification"
    for bundle in (told[2], told[0], told[1], told[2], told[0]):
        assert backport.post("/fhir/notify", bundle).status_code == 200
    assert {"KIS|F1", "KIS|F2", "KIS|F3"} <= states(backport).keys()
    per_visit = [stored.control_id for stored in backport.kept() if "/v" in stored.control_id]
    assert len(per_visit) == len(set(per_visit))
    assert last_number(backport) == "3"


def test_a_notification_of_a_foreign_subscription_is_read_and_told(backport: Service, ward: SandboxEhr) -> None:
    status = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "subscription", "valueReference": {"reference": "Subscription/foreign"}},
            {"name": "type", "valueCode": "heartbeat"},
            {"name": "events-since-subscription-start", "valueString": "70"},
        ],
    }
    body = {"resourceType": "Bundle", "type": "history", "entry": [{"resource": status}]}
    answer = backport.post("/fhir/notify", body)
    assert answer.status_code == 200
    assert "another one than ours" in answer.json()["issue"][1]["diagnostics"]


# ---------------------------------------------------------------- meaning


def test_a_finished_visit_that_goes_on_takes_the_discharge_back(backport: Service, ward: SandboxEhr) -> None:
    ward.put(encounter())
    ward.settle()
    ward.put(encounter(status="in-progress"))
    ward.settle()
    assert states(backport)[KEY] is CaseState.OPEN
    ward.put(encounter())
    ward.settle()
    assert states(backport)[KEY] is CaseState.DISCHARGED


def test_an_older_version_that_comes_late_takes_nothing_back(backport: Service, ward: SandboxEhr) -> None:
    older = ward.client.read("Encounter/e1")
    ward.put(encounter())
    ward.settle()
    assert backport.post("/fhir", older | {"language": "de"}).status_code == 200
    assert backport.kept()[-1].event is Event.UPDATE
    assert states(backport)[KEY] is CaseState.DISCHARGED


def test_a_visit_recorded_in_error_is_cancelled(backport: Service, ward: SandboxEhr) -> None:
    ward.put(encounter(status="entered-in-error"))
    ward.settle()
    events = [stored.event for stored in backport.kept()]
    assert events[-1] is Event.CANCEL_ADMIT


def test_a_course_that_ended_is_a_result_of_its_visit_whether_it_names_it_or_not(
    backport: Service, ward: SandboxEhr
) -> None:
    nameless = {key: value for key, value in a_course(id="rt3").items() if key != "encounter"}
    for course in (a_course(), a_course(id="rt2", status="in-progress"), nameless):
        ward.put(course)
        ward.settle()
    case = backport.case().id
    filed = [stored for stored in backport.kept() if "Procedure" in stored.control_id]
    assert [(stored.control_id.split("/")[3], stored.event, stored.case_id) for stored in filed] == [
        ("rt1", Event.RESULT, case),
        ("rt3", Event.RESULT, case),
    ]


def test_a_course_told_together_with_another_visit_reaches_its_own(backport: Service, ward: SandboxEhr) -> None:
    status = {"resourceType": "Parameters", "parameter": [{"name": "type", "valueCode": "event-notification"}]}
    entries = [{"resource": each} for each in (status, another(9), a_course())]
    body = {"resourceType": "Bundle", "type": "history", "entry": entries}
    assert backport.post("/fhir/notify", body).status_code == 200
    filed = {stored.control_id: stored.event for stored in backport.kept()}
    assert filed["Encounter/v9"] is Event.DISCHARGE
    assert filed["Encounter/e1/Procedure/rt1"] is Event.RESULT


@pytest.mark.parametrize(("zone", "events"), [("UTC", [Event.RESULT]), ("Europe/Berlin", [])])
def test_the_day_of_a_course_without_a_visit_is_one_of_the_set_time_zone(
    zone: str, events: list[Event], backport: Service, ward: SandboxEhr
) -> None:
    ward.put(encounter(status="in-progress", period={"start": "2026-03-10T08:00:00Z"}))
    ward.settle()
    nameless = {key: value for key, value in a_course(performedDateTime="2026-03-10").items() if key != "encounter"}
    before = len(backport.kept())
    ward.arm("lose_hook", method="HOOK", path="/hooks/", times=9)
    ward.put(nameless)
    ward.settle()
    world, ehr = backport.installation.world, backport.installation.ehr
    assert ehr is not None
    catch_up(replace(world, rules=replace(world.rules, local=ZoneInfo(zone))), ehr, overlap=timedelta(0))
    assert [stored.event for stored in backport.kept()[before:]] == events


# ---------------------------------------------------------------- how it is kept


def test_it_is_made_once_and_found_again_by_a_service_that_forgot_it(backport: Service, ward: SandboxEhr) -> None:
    before = subscriptions(ward)
    keeper_of(backport.installation).keep(backport.installation.world.clock())
    assert subscriptions(ward) == before
    assert len(before) == 1


def test_its_end_is_renewed_before_it_comes(backport: Service, ward: SandboxEhr) -> None:
    (before,) = subscriptions(ward)
    now = backport.installation.world.clock()
    keeper_of(backport.installation).keep(now + timedelta(days=19))
    assert subscriptions(ward) == [before]
    keeper_of(backport.installation).keep(now + timedelta(days=21))
    (after,) = subscriptions(ward)
    assert (after["id"], after["status"]) == (before["id"], "active")
    assert after["end"] > before["end"]


def test_one_that_the_server_gave_up_is_reactivated_and_what_it_missed_is_read(
    backport: Service, ward: SandboxEhr
) -> None:
    for number, state in enumerate(("error", "off"), start=1):
        (ours,) = subscriptions(ward)
        ward.client.update({**ours, "status": state})
        ward.put(another(number))
        ward.settle()
        assert keep(backport) == "requested"
        assert states(backport)[f"KIS|F{number}"] is CaseState.DISCHARGED
        ward.settle()
        assert keep(backport) == "active"


def test_a_server_that_gets_no_answer_gives_up_and_is_asked_again(backport: Service, ward: SandboxEhr) -> None:
    backport.store.is_away = True
    ward.put(another(1))
    ward.settle()
    backport.store.is_away = False
    assert [each["status"] for each in subscriptions(ward)] == ["error"]
    assert keep(backport) == "requested"
    assert states(backport)["KIS|F1"] is CaseState.DISCHARGED


def test_of_several_for_our_address_one_is_left(backport: Service, ward: SandboxEhr) -> None:
    (ours,) = subscriptions(ward)
    ward.client.create({key: value for key, value in ours.items() if key not in ("id", "meta")})
    ward.settle()
    assert len(subscriptions(ward)) == 2
    keep(backport)
    assert len(subscriptions(ward)) == 1


def test_it_is_removed_cleanly_and_not_made_again_by_itself(backport: Service, ward: SandboxEhr) -> None:
    keeper = keeper_of(backport.installation)
    assert keeper.remove() == 1
    assert subscriptions(ward) == []
    assert keeper.remove() == 0


def test_what_the_ehr_asks_to_wait_is_waited_and_its_health_kept(backport: Service, ward: SandboxEhr) -> None:
    ward.arm("busy", method="GET", path="/fhir/Subscription", retry_after="3")
    with pytest.raises(EhrUnavailable) as caught:
        keep(backport)
    assert caught.value.retry_after == 3.0
    with backport.installation.store.read() as tx:
        known = our_subscription(tx)
    assert (known.state, known.error, known.is_healthy) == ("unknown", "ehr_unavailable", False)


def test_what_was_missed_is_read_though_the_first_tries_fail(backport: Service, ward: SandboxEhr) -> None:
    (ours,) = subscriptions(ward)
    ward.client.update({**ours, "status": "error"})
    ward.put(another(1))
    ward.settle()
    for _ in range(2):  # the EHR has it requested, then active
        ward.arm("unavailable", method="GET", path="/fhir/Encounter")
        with pytest.raises(EhrUnavailable):
            keep(backport)
        ward.settle()
    assert "KIS|F1" not in states(backport)
    assert keep(backport) == "active"
    assert states(backport)["KIS|F1"] is CaseState.DISCHARGED


def test_one_that_an_operator_removes_while_the_ehr_is_asked_stays_removed(
    backport: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = SubscriptionKeeper.ask

    def meanwhile(keeper: SubscriptionKeeper, reference: str) -> object:
        with backport.installation.store.begin() as tx:
            keep_subscription(tx, OurSubscription(state=REMOVED))
        return ask(keeper, reference)

    monkeypatch.setattr(SubscriptionKeeper, "ask", meanwhile)
    keep(backport)
    with backport.installation.store.read() as tx:
        assert our_subscription(tx).state == REMOVED


def test_the_thread_of_serve_makes_it_and_ends(ward: SandboxEhr, tmp_path: Path) -> None:
    with running_service(tmp_path / "service", ward.base, subscribe="backport", topic=TOPIC) as running:
        follower = Follower(running.installation)
        follower.start()
        for _ in range(500):
            if subscriptions(ward):
                break
        ward.settle()
        follower.stop()
        assert [each["status"] for each in subscriptions(ward)] == ["active"]
