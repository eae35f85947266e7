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
