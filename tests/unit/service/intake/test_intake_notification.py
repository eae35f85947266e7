"""Which visits a Subscription's notification tells of."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.intake import read_notification
from service.intake.notification import Notification, missed


def parameters(kind: str, *, focus: str = "") -> dict[str, Any]:
    """R4 backport: a Parameters resource stands for SubscriptionStatus."""
    event = [{"name": "event-number", "valueString": "2"}]
    event += [{"name": "focus", "valueReference": {"reference": focus}}] if focus else []  # type: ignore[dict-item]
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "subscription", "valueReference": {"reference": "https://ehr/fhir/Subscription/s1"}},
            {"name": "topic", "valueCanonical": "http://example.org/topic/discharge"},
            {"name": "type", "valueCode": kind},
            {"name": "notification-event", "part": event},
        ],
    }


def status(kind: str, *, focus: str = "") -> dict[str, Any]:
    events = [{"eventNumber": "2", **({"focus": {"reference": focus}} if focus else {})}]
    subscription = {"reference": "Subscription/s1"}
    return {
        "resourceType": "SubscriptionStatus",
        "type": kind,
        "subscription": subscription,
        "notificationEvent": events,
    }


def bundle(*resources: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "history", "entry": [{"resource": each, **members} for each in resources]}


@pytest.mark.parametrize("form", [parameters, status])
@pytest.mark.parametrize(
    "address", ["Encounter/e1", "https://ehr/fhir/Encounter/e1", "https://ehr/fhir/Encounter/e1/_history/3"]
)
def test_an_id_only_event_names_its_visit_by_any_address(form: Any, address: str) -> None:
    told = read_notification(bundle(form("event-notification", focus=address)))
    assert (told.encounters, told.is_quiet) == (("Encounter/e1",), False)


@pytest.mark.parametrize("form", [parameters, status])
@pytest.mark.parametrize("kind", ["handshake", "heartbeat"])
def test_a_handshake_and_a_heartbeat_tell_of_nothing(form: Any, kind: str) -> None:
    told = read_notification(bundle(form(kind)))
    assert (told.is_quiet, told.encounters) == (True, ())


@pytest.mark.parametrize("form", [parameters, status])
def test_an_empty_event_may_mean_any_visit(form: Any) -> None:
    told = read_notification(bundle(form("event-notification")))
    assert (told.is_quiet, told.names_something) == (False, False)
    addressed = bundle(form("event-notification"), fullUrl="urn:uuid:1", request={"url": "Subscription/s1/$status"})
    assert not read_notification(addressed).names_something
    nothing = read_notification(None)
    assert (nothing.is_quiet, nothing.names_something) == (False, False)


def test_an_entry_that_is_only_an_address_names_its_visit_once() -> None:
    entry = {"fullUrl": "https://ehr/fhir/Encounter/e1", "request": {"method": "PUT", "url": "Encounter/e1"}}
    document = bundle(status("event-notification"))
    document["entry"].append(entry)
    assert read_notification(document).encounters == ("Encounter/e1",)


def test_a_result_names_the_visit_that_it_belongs_to() -> None:
    result = {"resourceType": "Observation", "id": "o1", "encounter": {"reference": "Encounter/e1"}}
    assert read_notification(bundle(status("event-notification", focus="Observation/o1"), result)).encounters == (
        "Encounter/e1",
    )


def test_what_names_something_else_names_no_visit() -> None:
    told = read_notification(bundle(status("event-notification", focus="Observation/o1")))
    assert (told.encounters, told.names_something) == ((), True)


@pytest.mark.parametrize("address", ["Encounter/", "Encounter/a b", "EncounterX/1", "Encounter/e1?x=1", "xEncounter/1"])
def test_what_is_no_address_of_a_visit_names_none(address: str) -> None:
    assert read_notification({"focus": {"reference": address}}).encounters == ()


@pytest.mark.parametrize(
    "document", [[], "text", {"entry": "text"}, {"entry": [None, {"resource": 1}]}, {"parameter": 1}]
)
def test_any_json_can_be_read(document: object) -> None:
    assert not read_notification(document).encounters


@pytest.mark.parametrize("written", ["7", 7])
def test_the_numbers_of_a_notification_are_read_from_both_forms(written: str | int) -> None:
    as_parameters = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "subscription", "valueReference": {"reference": "https://ehr/fhir/Subscription/s1"}},
            {"name": "status", "valueCode": "active"},
            {"name": "type", "valueCode": "event-notification"},
            {"name": "events-since-subscription-start", "valueString": written},
            {"name": "notification-event", "part": [{"name": "event-number", "valueString": "6"}]},
            {"name": "notification-event", "part": [{"name": "event-number", "valueInteger": 7}]},
        ],
    }
    as_status = {
        "resourceType": "SubscriptionStatus",
        "status": "active",
        "type": "event-notification",
        "subscription": {"reference": "Subscription/s1"},
        "eventsSinceSubscriptionStart": written,
        "notificationEvent": [{"eventNumber": "6"}, {"eventNumber": 7}],
    }
    for form in (as_parameters, as_status):
        told = read_notification(bundle(form))
        assert (told.subscription, told.status, told.kind) == ("Subscription/s1", "active", "event-notification")
        assert (told.numbers, told.since_start, told.newest) == ((6, 7), 7, 7)


@pytest.mark.parametrize("written", ["-1", "1.5", "", "9" * 30, True, None, -3, "\u0663"])
def test_what_is_no_number_counts_nothing(written: Any) -> None:
    told = read_notification({"resourceType": "SubscriptionStatus", "eventsSinceSubscriptionStart": written})
    assert told.since_start is None


def test_the_focus_of_an_event_may_be_a_procedure() -> None:
    told = read_notification(bundle(status("event-notification", focus="https://ehr/fhir/Procedure/p1")))
    assert (told.procedures, told.encounters) == (("Procedure/p1",), ())


@pytest.mark.parametrize(
    ("numbers", "since_start", "last", "gap"),
    [
        ((1,), 1, 0, None),
        ((5,), 5, 4, None),
        ((5,), 5, 2, (3, 4)),
        ((3, 6), 6, 2, (4, 5)),
        ((3, 6), 6, 1, (2, 5)),
        ((), 9, 7, (8, 9)),
        ((8,), 9, 7, (9, 9)),
        ((4,), 9, 9, None),
        ((4,), 4, 9, None),
        ((10**15,), None, 3, (4, 10**15 - 1)),
        ((), None, 3, None),
    ],
)
def test_a_gap_is_what_no_notification_told(
    numbers: tuple[int, ...], since_start: int | None, last: int, gap: tuple[int, int] | None
) -> None:
    told = Notification(is_quiet=False, encounters=(), names_something=False, numbers=numbers, since_start=since_start)
    assert missed(told, last) == gap


@given(st.sets(st.integers(1, 30)), st.integers(0, 30), st.integers(0, 30))
def test_every_event_is_told_or_in_the_gap_and_the_gap_is_tight(numbers: set[int], since: int, last: int) -> None:
    told = Notification(is_quiet=False, encounters=(), names_something=False, numbers=tuple(numbers), since_start=since)
    absent = [n for n in range(last + 1, max({since, *numbers}) + 1) if n not in numbers]
    assert missed(told, last) == ((absent[0], absent[-1]) if absent else None)
