"""Which visits a Subscription's notification tells of."""

from typing import Any

import pytest

from service.intake import read_notification


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
