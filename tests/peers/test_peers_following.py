"""Our own Subscription at a FHIR server nobody here wrote, and reading from it what its hooks did not tell."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from medplum_fixtures import Ehr
from peer_hospital import hospital
from peer_programs import NEEDS_PEERS
from peer_ward import Ward, a_ward, facts_of, until

from adapters.fhir.subscription import RENEW_BEFORE, SubscriptionKeeper, Wish
from service.cli.following import Follower
from service.errors import EhrRefused
from workers.training.synthetic import SyntheticCase, generate_case

pytestmark = [pytest.mark.slow, NEEDS_PEERS]

NOW = datetime(2030, 3, 12, 8, 30, tzinfo=UTC)
WISH = Wish(kind="classic", endpoint="http://127.0.0.1:9/fhir/notify", criteria="Encounter?", token="of-the-test")


@pytest.fixture(scope="module")
def told() -> SyntheticCase:
    return generate_case(7, lang="de", site="breast")


# ---------------------------------------------------------------- our Subscription


@pytest.fixture
def keeper(ehr: Ehr) -> Iterator[SubscriptionKeeper]:
    made = SubscriptionKeeper(ehr.client, WISH)
    yield made
    made.remove()


def subscriptions(ehr: Ehr) -> int:
    return ehr.count("Subscription", url=WISH.endpoint)


def test_it_is_made_once_and_becomes_active(ehr: Ehr, keeper: SubscriptionKeeper) -> None:
    first = keeper.keep(NOW)
    assert (first.state, first.is_healthy) == ("active", True)
    again = SubscriptionKeeper(ehr.client, WISH).keep(NOW)
    assert again.reference == first.reference
    assert subscriptions(ehr) == 1
    assert (
        ehr.client.read(first.reference)["meta"]["versionId"] == ehr.client.read(again.reference)["meta"]["versionId"]
    )


def test_it_is_renewed_before_it_ends(ehr: Ehr, keeper: SubscriptionKeeper) -> None:
    made = keeper.keep(NOW)
    end = datetime.fromisoformat(made.end)
    renewed = keeper.keep(end - RENEW_BEFORE + timedelta(seconds=1))
    assert (renewed.reference, renewed.state) == (made.reference, "active")
    assert datetime.fromisoformat(renewed.end) > end
    assert subscriptions(ehr) == 1


def test_one_that_the_server_switched_off_is_requested_anew(ehr: Ehr, keeper: SubscriptionKeeper) -> None:
    made = keeper.keep(NOW)
    ehr.client.update({**ehr.client.read(made.reference), "status": "error", "error": "no route to host"})
    assert not keeper.look(NOW).is_healthy
    assert keeper.keep(NOW).is_healthy
    assert subscriptions(ehr) == 1


def test_one_with_another_criterion_is_changed_and_not_doubled(ehr: Ehr, keeper: SubscriptionKeeper) -> None:
    made = keeper.keep(NOW)
    other = Wish(kind="classic", endpoint=WISH.endpoint, criteria="Encounter?status=finished", token=WISH.token)
    assert SubscriptionKeeper(ehr.client, other).keep(NOW).reference == made.reference
    assert ehr.client.read(made.reference)["criteria"] == "Encounter?status=finished"
    assert subscriptions(ehr) == 1


def test_it_is_removed(ehr: Ehr, keeper: SubscriptionKeeper) -> None:
    made = keeper.keep(NOW)
    assert (keeper.remove(), keeper.remove()) == (1, 0)
    with pytest.raises(EhrRefused):
        ehr.client.read(made.reference)


def test_a_server_that_does_not_know_status_says_so_and_that_is_all(keeper: SubscriptionKeeper) -> None:
    assert keeper.ask(keeper.keep(NOW).reference) is None


# ---------------------------------------------------------------- following


@contextlib.contextmanager
def following(ward: Ward) -> Iterator[Follower]:
    follower = Follower(ward.installation)
    follower.start()
    try:
        yield follower
    finally:
        follower.stop()


def test_the_service_subscribes_itself_and_is_told_of_a_visit_that_ends(tmp_path: Path, told: SyntheticCase) -> None:
    with a_ward(tmp_path, subscribe="classic") as ward, following(ward):
        until(lambda: ward.ehr.count("Subscription", status="active") == 1, "our Subscription")
        ward.ehr.load(told, status="in-progress")
        ward.finish(told)
        until(lambda: ward.is_discharged(told), "the case")
        assert ward.facts(told) == facts_of(told)


def test_what_its_hooks_did_not_tell_is_read_when_we_look_again(tmp_path: Path, told: SyntheticCase) -> None:
    with a_ward(tmp_path, subscribe="classic") as ward:
        follower = Follower(ward.installation)
        made = follower.keep_subscription()
        ward.ehr.client.update({**ward.ehr.client.read(made.reference), "status": "off"})
        ward.ehr.load(told)
        assert ward.case(told) is None
        assert follower.keep_subscription().is_healthy
        assert ward.is_discharged(told)
        assert ward.notified() == 0


def test_without_a_subscription_a_poll_finds_what_changed_and_files_it_once(
    tmp_path: Path, told: SyntheticCase
) -> None:
    with a_ward(tmp_path, poll_seconds=0.1) as ward, following(ward) as follower:
        ward.ehr.load(told, status="in-progress")
        until(lambda: ward.case(told) is not None, "the case")
        ward.finish(told)
        until(lambda: ward.is_discharged(told), "the discharge")
        kept = ward.kept(told)
        for _ in range(2):
            follower.poll()
        assert ward.kept(told) == kept == 2
        assert ward.facts(told) == facts_of(told)


def test_a_poll_reads_all_pages_of_a_busy_hour(tmp_path: Path) -> None:
    with a_ward(tmp_path) as ward:
        for first in range(0, 250, 50):
            ward.ehr.put(
                *(
                    {
                        "resourceType": "Encounter",
                        "id": f"e{number}",
                        "identifier": [{"system": "urn:epikrise:synthetic:visit", "value": f"V{number}"}],
                        "status": "in-progress",
                        "class": {"code": "IMP"},
                    }
                    for number in range(first, first + 50)
                )
            )
        assert Follower(ward.installation).poll() == 250
        with ward.installation.store.read() as tx:
            assert all(tx.case_by_key(f"EPIKRISE-SYN|V{number}") for number in range(250))


def test_behind_an_authorization_server_all_of_it_works_with_tokens(tmp_path: Path, told: SyntheticCase) -> None:
    with (
        hospital(tmp_path, lifetime=60) as strangers,
        a_ward(
            tmp_path / "home",
            fhir=strangers.fhir,
            subscribe="classic",
            client_id="epikrise-ES384",
            client_key=str(strangers.keys["ES384"]),
        ) as ward,
        following(ward),
    ):
        until(lambda: ward.ehr.count("Subscription", status="active") == 1, "our Subscription")
        ward.ehr.load(told, status="in-progress")
        ward.finish(told)
        until(lambda: ward.is_discharged(told), "the case")
        assert ward.facts(told) == facts_of(told)
        # the service's client and the test's own
        assert strangers.granted("ES384") == 2
