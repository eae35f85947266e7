"""A model directory is used as it was described, or not at all."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.errors import ModelUnavailable
from workers.writer.manifest import MANIFEST, verify_manifest, write_manifest

WEIGHTS = "base/model.safetensors"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for path in (WEIGHTS, "base/config.json", "lora/adapter_model.safetensors"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(path.encode() * 20)
    write_manifest(tmp_path, name="ours", languages=("de",), letter_tokens=300)
    return tmp_path


def rewrite(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    described = json.loads((directory / MANIFEST).read_text())
    change(described)
    (directory / MANIFEST).write_text(json.dumps(described))


def test_what_was_written_is_read_back(directory: Path) -> None:
    manifest = verify_manifest(directory)

    assert (manifest.name, manifest.languages, manifest.letter_tokens) == ("ours", ("de",), 300)
    assert set(manifest.files) == {WEIGHTS, "base/config.json", "lora/adapter_model.safetensors"}


def test_the_digest_of_a_folder_changes_with_its_weights_alone(directory: Path) -> None:
    before = verify_manifest(directory)
    (directory / WEIGHTS).write_bytes(b"other weights")
    write_manifest(directory, name="ours")
    after = verify_manifest(directory)

    assert before.digest_of("base") != after.digest_of("base")
    assert before.digest_of("lora") == after.digest_of("lora")


def test_one_changed_byte_is_found_and_its_file_named(directory: Path) -> None:
    data = bytearray((directory / WEIGHTS).read_bytes())
    data[17] ^= 1
    (directory / WEIGHTS).write_bytes(data)

    with pytest.raises(ModelUnavailable, match=r"base/model\.safetensors differs"):
        verify_manifest(directory)


def test_a_missing_file_is_named(directory: Path) -> None:
    (directory / WEIGHTS).unlink()

    with pytest.raises(ModelUnavailable, match=r"base/model\.safetensors is missing"):
        verify_manifest(directory)


def test_a_file_that_nobody_described_is_named(directory: Path) -> None:
    (directory / "base" / "modeling_extra.py").write_text("print()")

    with pytest.raises(ModelUnavailable, match=r"modeling_extra\.py is not in manifest\.json"):
        verify_manifest(directory)


@pytest.mark.parametrize("name", ["base/pytorch_model.bin", "base/weights.pt", "base/weights.pkl", "base/modeling.py"])
def test_a_form_that_can_carry_code_is_refused_even_when_it_is_described(directory: Path, name: str) -> None:
    (directory / name).write_bytes(b"\x80\x04.")
    write_manifest(directory, name="ours")

    with pytest.raises(ModelUnavailable, match=name.replace(".", r"\.")):
        verify_manifest(directory)


@pytest.mark.parametrize("path", ["../outside.json", "/etc/hostname.json", "base/../../outside.json"])
def test_a_path_that_leaves_the_directory_is_refused(directory: Path, path: str) -> None:
    (directory.parent / "outside.json").write_text("{}")
    rewrite(directory, lambda described: described["files"].update({path: "0" * 64}))

    with pytest.raises(ModelUnavailable, match="which no model directory may hold"):
        verify_manifest(directory)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d.update(format=2), "format 2"),
        (lambda d: d["prompt"].update(digest="0" * 64), "prompt version 1 is worded differently"),
        (lambda d: d["handles"].update(version="9"), "handles 9 are not"),
        (lambda d: d["handles"].update(digest="0" * 64), "handles 1 are not"),
        (lambda d: d.pop("files"), "not a manifest"),
        (lambda d: d.update(files=[WEIGHTS]), "not a manifest"),
        (lambda d: d.update(letter_tokens="many"), "not a manifest"),
        (lambda d: d.update(prompt=None), "not a manifest"),
    ],
)
def test_another_version_or_form_is_refused_and_the_manifest_named(
    directory: Path, change: Callable[[dict[str, Any]], object], told: str
) -> None:
    rewrite(directory, change)

    with pytest.raises(ModelUnavailable, match=told) as refused:
        verify_manifest(directory)
    assert MANIFEST in str(refused.value)


def test_an_unknown_prompt_version_is_a_model_that_does_not_fit(directory: Path) -> None:
    rewrite(directory, lambda described: described["prompt"].update(version="77"))

    with pytest.raises(ModelUnavailable, match="prompt version '77'"):
        verify_manifest(directory)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe"])
def test_a_manifest_that_is_none_is_refused(directory: Path, content: bytes) -> None:
    (directory / MANIFEST).write_bytes(content)

    with pytest.raises(ModelUnavailable, match=MANIFEST):
        verify_manifest(directory)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="nowhere"):
        verify_manifest(tmp_path / "nowhere")
