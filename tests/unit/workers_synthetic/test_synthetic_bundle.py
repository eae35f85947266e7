"""Synthetic cases as FHIR: valid, resolvable, the same for the same seed."""

import json

import pytest
from fhir.resources.R4B.bundle import Bundle

from service.model import Lang
from workers.training.synthetic import SITES, generate_case

LANGUAGES: tuple[Lang, ...] = ("de", "en")


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("site", SITES)
def test_every_bundle_is_valid_fhir_r4(site: str, lang: Lang) -> None:
    for seed in range(8):
        bundle = generate_case(seed, lang=lang, site=site).bundle

        Bundle.model_validate(bundle)
        assert bundle["meta"]["tag"][0]["code"] == "HTEST"


def test_the_same_seed_gives_the_same_case_and_another_seed_another() -> None:
    assert generate_case(7, lang="de") == generate_case(7, lang="de")
    assert generate_case(7, lang="de").bundle != generate_case(8, lang="de").bundle


def test_every_reference_within_a_bundle_resolves() -> None:
    for seed in range(60):
        bundle = generate_case(seed, lang="en").bundle
        present = {f"{row['resource']['resourceType']}/{row['resource']['id']}" for row in bundle["entry"]}

        assert len(present) == len(bundle["entry"])
        assert _references(bundle) <= present


def test_each_seed_has_its_own_record_and_visit_number() -> None:
    cases = [generate_case(seed, lang=lang) for seed in range(400) for lang in LANGUAGES]

    assert len({case.mrn for case in cases}) == len({case.visit_number for case in cases}) == len(cases)


def test_a_bundle_is_plain_json() -> None:
    bundle = generate_case(1, lang="de").bundle

    assert json.loads(json.dumps(bundle)) == bundle


def _references(value: object) -> set[str]:
    if isinstance(value, dict):
        own = {value["reference"]} if isinstance(value.get("reference"), str) else set()
        return own.union(*map(_references, value.values()))
    if isinstance(value, list):
        return set().union(*map(_references, value))
    return set()


def test_no_two_cases_share_a_resource_id_so_that_one_ehr_can_hold_them_all() -> None:
    seen: set[str] = set()
    for seed in range(20):
        for lang in LANGUAGES:
            own = {
                f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
                for entry in generate_case(seed, lang=lang).bundle["entry"]
            }
            assert not own & seen
            seen |= own
