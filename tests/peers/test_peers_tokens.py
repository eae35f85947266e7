"""SMART Backend Services against an authorization server nobody here wrote."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from peer_hospital import SCOPE, Hospital, a_key, hospital
from peer_programs import NEEDS_PEERS

from adapters.fhir.auth import BackendServices, load_client_keys
from adapters.fhir.client import FhirClient
from service.errors import EhrRefused, EhrUnavailable, EpikriseError

pytestmark = [pytest.mark.slow, NEEDS_PEERS]

LIFETIME = 10
"""Seconds, of the tokens that end in a test. The server counts in whole seconds, so an end may come one early."""


@pytest.fixture(scope="module")
def long_lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with hospital(tmp_path_factory.mktemp("hospital"), lifetime=300) as running_for_long:
        yield running_for_long


@pytest.fixture
def short_lived(tmp_path: Path) -> Iterator[Hospital]:
    with hospital(tmp_path, lifetime=LIFETIME) as running_for_this_test:
        yield running_for_this_test


@pytest.mark.parametrize("alg", ["RS384", "ES384"])
def test_a_token_is_fetched_once_and_opens_the_fhir_server(alg: str, long_lived: Hospital) -> None:
    with FhirClient(long_lived.base) as stranger, pytest.raises(EhrRefused) as refusal:
        stranger.search("Patient", ())
    assert refusal.value.status == 401
    before = long_lived.granted(alg)
    with FhirClient(long_lived.base, auth=long_lived.services(alg)) as client:
        created = client.create({"resourceType": "Device", "deviceName": [{"name": "epikrise", "type": "model-name"}]})
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(lambda _: client.read(created.reference), range(40)))
    assert long_lived.granted(alg) == before + 1


def test_a_token_is_renewed_before_the_server_stops_taking_it(short_lived: Hospital) -> None:
    services = short_lived.services("ES384")
    first = services.token(refused=services.token())  # of the second: the server is slow at its first
    deadline = time.monotonic() + LIFETIME
    while (second := services.token()) == first:
        assert time.monotonic() < deadline, "it was not renewed in time"
        assert short_lived.takes(first)
        time.sleep(0.05)
    assert short_lived.takes(first), "renewed only when it had ended"
    assert short_lived.takes(second)
    assert short_lived.granted("ES384") == 3
    while short_lived.takes(first):
        assert time.monotonic() < deadline + 5, "tokens of this server do not end: the test says nothing"
        time.sleep(0.05)


@pytest.mark.parametrize("alg", ["RS384", "ES384"])
def test_a_wrong_key_is_refused_and_the_error_says_what_to_check(
    alg: str, long_lived: Hospital, tmp_path: Path
) -> None:
    services = long_lived.services(alg, key=a_key(tmp_path, alg, "stranger"))
    with FhirClient(long_lived.base, auth=services) as client, pytest.raises(EhrRefused) as refusal:
        client.search("Patient", ())
    assert refusal.value.status == 401
    assert "token endpoint: HTTP 401 (invalid_client)" in str(refusal.value)
    assert "ehr.client_id" in str(refusal.value)
    assert "epikrise config jwks" in str(refusal.value)


def test_an_unknown_client_is_refused(long_lived: Hospital) -> None:
    with pytest.raises(EhrRefused, match="invalid_client"):
        long_lived.services("RS384", client_id="nobody").token()


def test_a_key_of_the_kind_that_the_client_is_not_registered_for_is_refused(long_lived: Hospital) -> None:
    with pytest.raises(EhrRefused, match="invalid_client"):
        long_lived.services("RS384", key=long_lived.keys["ES384"]).token()


def test_a_scope_that_the_client_may_not_have_is_refused_by_its_name(long_lived: Hospital) -> None:
    with pytest.raises(EhrRefused, match=r"invalid_scope.*ehr\.scope"):
        long_lived.services("ES384", scope="system/*.cruds").token()


def test_a_server_without_discovery_is_named_as_the_place_to_mend(medplum_base: str, long_lived: Hospital) -> None:
    services = BackendServices(
        base_url=medplum_base,
        client_id="epikrise-ES384",
        key=load_client_keys(long_lived.keys["ES384"])[0],
        scope=SCOPE,
    )
    with pytest.raises(EpikriseError, match=r"ehr\.token_url"):
        services.token()


def test_while_the_authorization_server_is_away_nothing_was_sent(tmp_path: Path) -> None:
    with hospital(tmp_path, lifetime=60) as was_here:
        services = was_here.services("ES384")
    with FhirClient(was_here.base, auth=services, timeout=2) as client, pytest.raises(EhrUnavailable):
        client.create({"resourceType": "Device"})
