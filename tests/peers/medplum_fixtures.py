"""Medplum's FHIR router as a running EHR, and an authorization server, as fixtures; conftest makes them known."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from peer_programs import running

from adapters.fhir.client import FhirClient, Written
from service.ports import Resource
from workers.training.synthetic import SyntheticCase

VISIT_SYSTEMS = {"EPIKRISE-SYN": "urn:epikrise:synthetic:visit"}


@dataclass(frozen=True, kw_only=True)
class Ehr:
    """``base`` is its FHIR base address."""

    base: str
    client: FhirClient

    def put(self, *resources: Resource) -> list[Written]:
        """By one transaction, under the ids that the resources have."""
        return self.client.transaction([_putting(each) for each in resources])

    def load(self, case: SyntheticCase, **encounter: Any) -> None:
        """A synthetic visit as it stands in its Bundle, but for the Encounter's elements that are given."""
        listed = [entry["resource"] for entry in case.bundle["entry"]]
        self.put(*({**each, **encounter} if each["resourceType"] == "Encounter" else each for each in listed))

    def count(self, resource_type: str, **parameters: str) -> int:
        return len(self.client.search(resource_type, tuple(parameters.items())))


def _putting(resource: Resource) -> Resource:
    reference = f"{resource['resourceType']}/{resource['id']}"
    return {"resource": resource, "request": {"method": "PUT", "url": reference}}


@pytest.fixture(scope="module")
def medplum_base() -> Iterator[str]:
    with running("fhir_server.mjs") as server:
        yield f"{server.address}/fhir"


@pytest.fixture
def ehr(medplum_base: str) -> Iterator[Ehr]:
    """The server lives as long as the tests of a file: each test has a case of its own there."""
    with FhirClient(medplum_base, timeout=20) as client:
        yield Ehr(base=medplum_base, client=client)
