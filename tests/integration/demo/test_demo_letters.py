"""``epikrise demo --once --json``: real processes, a real socket, the shipped model, a real EHR over HTTP.

One home for all three, so that what one patient's chart says could reach another's letter if it wanted to.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bundle_truth import found_values, truth_of, unfounded

from service.model import Lang
from workers.training.synthetic import SyntheticCase, generate_case
from workers.training.synthetic.tables import table

CASES: tuple[tuple[Lang, str, int], ...] = (("de", "breast", 41), ("de", "prostate", 42), ("en", "lung", 43))


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo-home")


@pytest.fixture(scope="session")
def told(demo_home: Path) -> list[tuple[SyntheticCase, dict[str, Any]]]:
    """Each case with what the command printed about it."""
    found = []
    for lang, site, seed in CASES:
        arguments = ["demo", "--once", "--json", "--lang", lang, "--site", site, "--seed", str(seed)]
        ended = subprocess.run(
            [sys.executable, "-m", "service.cli", *arguments],
            env={**os.environ, "EPIKRISE_HOME": str(demo_home)},
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr[-2000:]
        found.append((generate_case(seed, lang=lang, site=site), json.loads(ended.stdout)))
    return found


def test_every_dose_fraction_date_code_and_drug_of_each_letter_is_in_its_own_chart(
    told: list[tuple[SyntheticCase, dict[str, Any]]],
) -> None:
    for case, report in told:
        assert found_values(report["letter"], case.lang) >= 8
        assert unfounded(report["letter"], case.lang, truth_of(case.bundle), _drugs(case.lang)) == []


def test_each_letter_tells_each_fact_once_and_nothing_blocks(
    told: list[tuple[SyntheticCase, dict[str, Any]]],
) -> None:
    for _, report in told:
        handles = [span["handle"] for span in report["spans"]]
        assert len(handles) == len(set(handles))
        lines = [line for line in report["letter"].splitlines() if line.startswith("- ")]
        assert len(lines) == len(set(lines))
        assert [finding for finding in report["findings"] if finding["severity"] == "block"] == []


def test_each_letter_tells_every_volume_dose_and_every_discharge_drug_of_its_chart(
    told: list[tuple[SyntheticCase, dict[str, Any]]],
) -> None:
    for _, report in told:
        omitted = [f for f in report["findings"] if f["kind"] == "omitted" and f["severity"] != "info"]
        assert omitted == []


def test_no_letter_names_another_patient(told: list[tuple[SyntheticCase, dict[str, Any]]]) -> None:
    for case, report in told:
        assert case.family in report["letter"]
        assert report["patient"] == {"family": case.family, "given": case.given}
        others = {other.family for other, _ in told} - {case.family}
        assert not {name for name in others if name in report["letter"]}


def test_each_letter_has_the_parts_of_its_kind_and_no_open_handle(
    told: list[tuple[SyntheticCase, dict[str, Any]]],
) -> None:
    headings = {
        "de": ("Sehr geehrte", "Diagnosen:", "Strahlentherapie:", "Verlauf und Verträglichkeit:", "Mit freundlichen"),
        "en": ("Dear colleagues", "Diagnoses:", "Radiotherapy:", "Course and tolerance:", "With kind regards"),
    }
    for case, report in told:
        at = [report["letter"].find(heading) for heading in headings[case.lang]]
        assert at == sorted(at)
        assert at[0] == 0
        assert not re.search(r"\[\[|\]\]|____", report["letter"])


def test_the_inbox_is_read_back_from_the_ehr(told: list[tuple[SyntheticCase, dict[str, Any]]]) -> None:
    for _, report in told:
        document, task = report["inbox"]["documentReference"], report["inbox"]["task"]
        assert (document["status"], document["docStatus"]) == ("current", "preliminary")
        assert (task["status"], task["intent"]) == ("requested", "order")
        assert task["focus"]["reference"] == f"DocumentReference/{document['id']}"
        assert [stage["name"] for stage in report["stages"]][-4:] == ["chart", "write", "check", "deliver"]
        assert all(stage["seconds"] >= 0 for stage in report["stages"])
        assert {"inbox", "review", "operations"} <= report["urls"].keys()


def test_every_span_is_the_value_at_its_place(told: list[tuple[SyntheticCase, dict[str, Any]]]) -> None:
    for _, report in told:
        assert len(report["spans"]) > 20
        for span in report["spans"]:
            start, end = span["span"]
            assert report["letter"][start:end] == span["text"]
            assert "#" in span["source"]


def _drugs(lang: Lang) -> frozenset[str]:
    systemic = {name for _, name in table("drugs", lang).values()}
    return frozenset({*systemic, *(row[1] for row in table("medication", lang))})


@pytest.fixture(autouse=True)
def _no_process_is_left(demo_home: Path) -> Iterator[None]:
    yield
    mine = f"EPIKRISE_HOME={demo_home}"
    for place in Path("/proc").glob("[0-9]*"):
        try:
            environment = (place / "environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        assert mine not in environment, f"process {place.name} outlived its demonstration"
