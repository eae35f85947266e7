"""A model directory opened and put to work, on the real transformers, peft and bitsandbytes path."""

import shutil
from pathlib import Path

import pytest
import torch
from writer_models import save_model
from writer_tokenizers import chart, chart_references, faults

from service.errors import ModelUnavailable, WriterFailed
from workers.writer.engine import LlamaWriter, open_writer
from workers.writer.manifest import verify_manifest, write_manifest


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def writer(directory: Path) -> LlamaWriter:
    return open_writer(directory)


def test_random_weights_write_something_lawful_with_who_wrote_it(writer: LlamaWriter, directory: Path) -> None:
    letter = writer.write(chart(), "de")

    manifest = verify_manifest(directory)
    assert letter.raw
    assert faults(letter.raw, chart_references(chart())) == []
    assert (letter.writer.base, letter.writer.lora) == (manifest.digest_of("base"), manifest.digest_of("lora"))
    assert (letter.writer.prompt, letter.writer.handles) == (manifest.prompt_digest, manifest.handles_digest)
    assert 0 < letter.writer.tokens <= manifest.letter_tokens


def test_the_same_chart_gives_the_same_letter(writer: LlamaWriter) -> None:
    assert writer.write(chart(), "de").raw == writer.write(chart(), "de").raw


def test_a_small_model_on_a_cpu_computes_with_one_thread(directory: Path) -> None:
    torch.set_num_threads(2)
    try:
        open_writer(directory)
        assert torch.get_num_threads() == (2 if torch.cuda.is_available() else 1)
    finally:
        torch.set_num_threads(1)


def test_another_lora_adapter_gives_another_letter(writer: LlamaWriter, directory: Path, tmp_path: Path) -> None:
    other = save_model(tmp_path, seed=1)
    shutil.rmtree(other / "base")
    shutil.copytree(directory / "base", other / "base")
    write_manifest(other, name="other", letter_tokens=60, budget=30)

    assert open_writer(other).write(chart(), "de").raw != writer.write(chart(), "de").raw


def test_a_language_that_the_model_lacks_is_refused(directory: Path, tmp_path: Path) -> None:
    german = shutil.copytree(directory, tmp_path / "german")
    write_manifest(german, name="german", languages=("de",), letter_tokens=20)

    with pytest.raises(WriterFailed, match="writes de, not en"):
        open_writer(german).write(chart(lang="en"), "en")


def test_a_missing_directory_is_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="nowhere"):
        open_writer(tmp_path / "nowhere")


@pytest.mark.parametrize("folder", ["base", "lora"])
def test_a_directory_without_one_of_its_halves_is_refused(directory: Path, tmp_path: Path, folder: str) -> None:
    half = shutil.copytree(directory, tmp_path / "half")
    shutil.rmtree(half / folder)
    write_manifest(half, name="half")

    with pytest.raises(ModelUnavailable, match=f"{folder} is missing"):
        open_writer(half)


@pytest.mark.parametrize(
    "path",
    [
        "base/model.safetensors",
        "base/config.json",
        "base/tokenizer.json",
        "lora/adapter_model.safetensors",
        "lora/adapter_config.json",
    ],
)
@pytest.mark.parametrize("content", [b"{}", b"\x00" * 200])
def test_a_file_that_is_described_but_unreadable_is_a_clear_answer(
    directory: Path, tmp_path: Path, path: str, content: bytes
) -> None:
    damaged = shutil.copytree(directory, tmp_path / "damaged")
    (damaged / path).write_bytes(content)
    write_manifest(damaged, name="damaged")

    with pytest.raises(ModelUnavailable):
        open_writer(damaged)


def test_a_lora_adapter_of_another_base_is_a_clear_answer(directory: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    other = shutil.copytree(directory, tmp_path / "other")
    file = other / "lora" / "adapter_model.safetensors"
    wider = {name: torch.cat([tensor, tensor], dim=-1) for name, tensor in load_file(file).items()}
    save_file(wider, file)
    write_manifest(other, name="other")

    with pytest.raises(ModelUnavailable, match="LoRA adapter unreadable"):
        open_writer(other)
