"""A FHIR server nobody here wrote notifies the running service of what happened: R4 classic rest-hooks."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from peer_programs import NEEDS_PEERS
from peer_ward import Ward, a_ward, facts_of, until

from service.model import CaseState
from workers.training.synthetic import SyntheticCase, generate_case

pytestmark = [pytest.mark.slow, NEEDS_PEERS]


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    with a_ward(tmp_path) as opened_ward:
        yield opened_ward


@pytest.fixture(scope="module")
def told() -> SyntheticCase:
    return generate_case(7, lang="de", site="breast")


@pytest.mark.parametrize("payload", [True, False], ids=["resource", "empty"])
def test_a_visit_that_ends_at_the_server_becomes_a_case_with_its_chart(
    payload: bool, ward: Ward, told: SyntheticCase
) -> None:
    ward.subscribe(payload=payload)
    ward.ehr.load(told, status="in-progress")
    until(lambda: ward.notified() == 1, "the first notification")
    assert not ward.is_discharged(told)
    ward.finish(told)
    until(lambda: ward.is_discharged(told), "the case")
    assert ward.facts(told) == facts_of(told)


def test_the_server_sends_only_what_the_criteria_name(ward: Ward, told: SyntheticCase) -> None:
    ward.subscribe("Encounter?status=finished", payload=True)
    ward.ehr.load(told, status="in-progress")
    ward.finish(told)
    until(lambda: ward.notified() == 1 and ward.is_discharged(told), "the case")
    assert ward.kept(told) == 1


def test_the_same_news_twice_is_one_case_and_starts_one_letter(ward: Ward, told: SyntheticCase) -> None:
    ward.subscribe(payload=True)
    ward.subscribe(payload=False)
    ward.ehr.load(told)
    until(lambda: ward.notified() == 2, "both notifications")
    with ward.installation.store.read() as tx:
        (case,) = tx.cases()
        steps = [step for step in tx.steps_of(case.id) if step.name == "chart"]
    assert (case.state, len(steps)) == (CaseState.DISCHARGED, 1)


def test_a_server_with_a_wrong_token_is_turned_away(ward: Ward, told: SyntheticCase) -> None:
    ward.subscribe(payload=True, token="another")
    ward.ehr.load(told)
    until(lambda: any("HTTP 401" in line for line in ward.server.said()), "the refusal")
    assert ward.case(told) is None
