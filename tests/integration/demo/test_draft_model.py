"""``epikrise draft`` with the shipped model, with its weights disturbed, and with its files damaged."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from bundle_truth import found_values, truth_of, unfounded
from safetensors.torch import load_file, save_file

from workers.app import DEMONSTRATION_MODEL
from workers.training.synthetic import generate_case, write_case
from workers.writer.manifest import write_manifest
from workers.writer.terms import DIGIT_TERMS

SEED = 77


def draft(home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service.cli", "draft", *map(str, arguments), "--json"],
        env={**os.environ, "EPIKRISE_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_case(generate_case(SEED, lang="de", site="rectum"), tmp_path_factory.mktemp("case"))[0]


@pytest.fixture(scope="module")
def drafted(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    ended = draft(tmp_path_factory.mktemp("home"), bundle, "--lang", "de")
    assert ended.returncode == 0, ended.stderr[-2000:]
    return ended


@pytest.fixture(scope="module")
def written(drafted: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(drafted.stdout)
    return report


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(DEMONSTRATION_MODEL, tmp_path / "model"))


def test_a_letter_of_the_shipped_model_says_what_the_chart_says_and_who_wrote_it(written: dict[str, Any]) -> None:
    truth = truth_of(generate_case(SEED, lang="de", site="rectum").bundle)
    assert found_values(written["letter"], "de") >= 8
    assert unfounded(written["letter"], "de", truth, frozenset()) == []
    assert {"base", "lora", "prompt", "handles", "tokens", "seconds"} <= written["writer"].keys()
    assert all(len(written["writer"][part]) == 64 for part in ("base", "lora", "prompt", "handles"))
    assert not re.search(r"\d", re.sub(r"\[\[[^\]]*\]\]", "", written["raw"]).replace("ICD-10", ""))


def test_the_libraries_say_nothing_where_the_findings_are_told(drafted: subprocess.CompletedProcess[str]) -> None:
    assert "Loading" not in drafted.stderr
    assert "Warning" not in drafted.stderr


def test_other_weights_give_another_text_and_no_value_without_a_source_goes_unflagged(
    written: dict[str, Any], bundle: Path, model: Path, tmp_path: Path
) -> None:
    place = model / "lora" / "adapter_model.safetensors"
    shuffling = torch.Generator().manual_seed(1)
    weights = {
        name: each.flatten()[torch.randperm(each.numel(), generator=shuffling)].reshape(each.shape).contiguous()
        for name, each in load_file(place).items()
    }
    save_file(weights, place, metadata={"format": "pt"})
    write_manifest(model, name="shuffled")

    ended = draft(tmp_path / "home", bundle, "--lang", "de", "--model", model)

    assert ended.returncode == 0, ended.stderr[-2000:]
    report = json.loads(ended.stdout)
    assert report["raw"] != written["raw"]
    assert report["writer"]["lora"] != written["writer"]["lora"]
    known = [tuple(span["span"]) for span in report["spans"]]
    flagged = [tuple(finding["span"]) for finding in report["findings"] if finding["span"]]
    terms = [match.span() for term in DIGIT_TERMS for match in re.finditer(re.escape(term), report["letter"])]
    lists = [match.span() for match in re.finditer(r"^\d+[.)] ", report["letter"], re.MULTILINE)]
    for digit in re.finditer(r"\d", report["letter"]):
        assert any(start <= digit.start() < end for start, end in (*known, *flagged, *terms, *lists))


@pytest.mark.parametrize("name", ["base/model.safetensors", "lora/adapter_model.safetensors", "base/tokenizer.json"])
def test_one_byte_changed_is_refused_with_the_file_that_has_it(
    bundle: Path, model: Path, tmp_path: Path, name: str
) -> None:
    content = bytearray((model / name).read_bytes())
    content[len(content) // 2] ^= 1
    (model / name).write_bytes(content)

    ended = draft(tmp_path / "home", bundle, "--model", model)

    assert ended.returncode == 3
    assert name in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_a_missing_model_directory_is_refused_by_name(bundle: Path, tmp_path: Path) -> None:
    ended = draft(tmp_path / "home", bundle, "--model", tmp_path / "nowhere")

    assert ended.returncode == 3
    assert "nowhere" in ended.stderr
    assert "Traceback" not in ended.stderr
