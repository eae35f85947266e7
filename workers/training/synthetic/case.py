"""A synthetic case as the outside world would tell it."""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from service.model import Lang
from workers.training.synthetic.fhir import build_bundle
from workers.training.synthetic.hl7 import build_messages
from workers.training.synthetic.invent import invent_scenario


@dataclass(frozen=True, kw_only=True)
class SyntheticCase:
    """One invented visit. ``bundle``: FHIR R4; ``messages``: HL7 v2.5.1 ADT A01, ORU R01, ADT A03."""

    seed: int
    lang: Lang
    site: str
    bundle: dict[str, Any]
    messages: tuple[bytes, ...]
    visit_number: str
    family: str
    given: str
    birth_date: date
    mrn: str


def generate_case(seed: int, *, lang: Lang, site: str | None = None) -> SyntheticCase:
    """The same case for the same arguments. Raises KeyError for a site not in ``SITES``."""
    scenario = invent_scenario(seed, lang=lang, site=site)
    return SyntheticCase(
        seed=seed,
        lang=lang,
        site=scenario.site,
        bundle=build_bundle(scenario),
        messages=build_messages(scenario),
        visit_number=scenario.stay.visit_number,
        family=scenario.patient.family,
        given=scenario.patient.given,
        birth_date=scenario.patient.birth_date,
        mrn=scenario.patient.mrn,
    )


def write_case(case: SyntheticCase, directory: Path) -> tuple[Path, Path]:
    """Write ``bundle.json`` and ``messages.hl7`` into ``directory``, making it if needed."""
    directory.mkdir(parents=True, exist_ok=True)
    bundle, messages = directory / "bundle.json", directory / "messages.hl7"
    bundle.write_text(json.dumps(case.bundle, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    messages.write_bytes(b"".join(case.messages))
    return bundle, messages
