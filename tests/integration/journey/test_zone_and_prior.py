"""What the hospital's zone and a merge without a prior number come to in the store."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from identity_ward import NoEhr, the_case
from journey_world import Journey
from store_fixtures import Clock
from told import tell

from adapters.store import SqlStore
from service.occasion import read_again


@pytest.fixture
def ward(store: SqlStore, clock: Clock) -> Journey:
    return Journey(store=store, clock=clock, ehr=NoEhr())


def test_a_kept_message_is_read_and_read_again_in_the_zone_of_the_hospital(ward: Journey) -> None:
    rules = replace(ward.world.rules, local=ZoneInfo("America/New_York"))
    ward.world = replace(ward.world, rules=rules)
    message_id = ward.receive(tell("A01", at=0, visit="F1"))
    ward.run_all()
    with ward.store.begin() as tx:
        stored = tx.message(message_id)
    told = read_again(stored, ward.world.reader, rules.authorities, local=rules.local)
    assert told is not None
    assert stored.event_time == told[0].event_time == "2026-03-01T13:00:00+00:00"
    assert the_case(ward, "F1").id == stored.case_id


@pytest.mark.parametrize("trigger", ["A40", "A50", "A45"])
@pytest.mark.parametrize("mrg", [b"", b'MRG|""\r', b"MRG|\r"])
def test_a_merge_that_does_not_say_from_where_is_shown_to_the_operator(ward: Journey, trigger: str, mrg: bytes) -> None:
    message_id = ward.receive(tell(trigger, at=20, visit="F2") + mrg)
    own = ward.receive(tell(trigger, at=30, patient="P2", visit="F3", former="P2"))
    other = ward.receive(tell(trigger, at=40, patient="P2", visit="F3", former_visit="F4"))
    ward.run_all()
    with ward.store.begin() as tx:
        flags = [tx.message(each).error_code for each in (message_id, own, other)]
    assert flags == ["merge_without_prior", None, None]
