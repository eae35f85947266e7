"""A LoRA adapter is learned over a frozen base, kept in PEFT's layout, and really learns."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from writer_models import random_llama
from writer_tokenizers import small

from workers.training.base import new_llama, save_base, train_base
from workers.training.dataset import Source, gather_source
from workers.training.optimiser import Budget, orthogonalised, rate
from workers.training.qlora import LINEAR, new_lora, save_lora, train_lora
from workers.writer.quantised import attach_lora, load_quantised


@pytest.fixture(scope="module")
def source() -> Source:
    return gather_source(range(2))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("base")
    save_base(random_llama(len(small())), small(), directory)
    return directory


def frozen(model: Any) -> Mapping[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in model.named_parameters() if not p.requires_grad}


def test_training_lowers_the_loss_and_leaves_the_base_as_it_is(source: Source, base: Path) -> None:
    model = new_lora(base, rank=4)
    before, losses, seen = frozen(model), [], []

    def report(_: float, loss: float, tokens: int) -> None:
        losses.append(loss)
        seen.append(tokens)

    total = train_lora(
        model, source, ("demonstration",), small(), budget=Budget(steps=12), seed=1, tokens=1024, report=report
    )

    assert len(losses) == 12
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])
    assert total == seen[-1]
    assert all(torch.equal(parameter, before[name]) for name, parameter in frozen(model).items())


def test_a_saved_lora_adapter_names_no_path_and_computes_as_it_was_trained(
    source: Source, base: Path, tmp_path: Path
) -> None:
    model = new_lora(base, rank=4)
    train_lora(
        model,
        source,
        ("demonstration",),
        small(),
        budget=Budget(steps=2),
        seed=1,
        tokens=1024,
        report=lambda *_: None,
    )
    save_lora(model, tmp_path / "lora")
    ids = torch.arange(3, 35).reshape(1, 32)

    described = json.loads((tmp_path / "lora" / "adapter_config.json").read_text())
    read = attach_lora(load_quantised(base), tmp_path / "lora")
    with torch.no_grad():
        trained, loaded = model.eval()(input_ids=ids).logits, read(input_ids=ids).logits

    assert str(tmp_path) not in json.dumps(described)
    assert described["base_model_name_or_path"] == "../base"
    assert set(described["target_modules"]) == set(LINEAR)
    assert not list((tmp_path / "lora").glob("*.bin"))
    assert torch.allclose(trained, loaded, atol=0.05)  # kept in bfloat16


def test_a_base_learns_is_kept_on_the_way_and_ends_as_an_ordinary_llama(source: Source, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = new_llama(len(small()), width=64, layers=1, heads=2, end=small().eos_token_id)
    losses: list[float] = []

    train_base(
        model,
        source,
        ("university",),
        small(),
        budget=Budget(steps=10),
        seed=1,
        tokens=1024,
        report=lambda _, loss, __: losses.append(loss),
        checkpoint=tmp_path,
        checkpoint_every=5,
    )

    assert (tmp_path / "model.safetensors").is_file()
    assert losses[-1] < 0.9 * losses[0]
    assert not any("parametrizations" in name for name, _ in model.named_parameters())


def test_the_same_seed_gives_the_same_losses(source: Source, base: Path) -> None:
    def losses(seed: int) -> list[float]:
        torch.manual_seed(5)
        found: list[float] = []
        train_lora(
            new_lora(base, rank=4),
            source,
            ("demonstration",),
            small(),
            budget=Budget(steps=3),
            seed=seed,
            tokens=1024,
            report=lambda _, loss, __: found.append(loss),
        )
        return found

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)


def test_a_budget_ends_by_steps_or_by_the_clock() -> None:
    assert [Budget(steps=4).progress(step) for step in (0, 1, 4, 9)] == [0.0, 0.25, 1.0, 1.0]
    assert Budget(steps=10**9, minutes=1.0, started=-(10**9)).progress(0) == 1.0


def test_the_learning_rate_rises_stays_and_falls() -> None:
    rates = [rate(step / 100) for step in range(101)]

    assert rates[0] < rates[1] < rates[2]
    assert set(rates[3:55]) == {1.0}
    assert rates[60:] == sorted(rates[60:], reverse=True)
    assert 0 < rates[-1] < 0.02


@pytest.mark.parametrize("size", [(16, 48), (48, 16), (32, 32)])
def test_an_orthogonalised_matrix_has_singular_values_near_one(size: tuple[int, int]) -> None:
    matrix = torch.randn(*size, generator=torch.Generator().manual_seed(0)) * 7

    values = torch.linalg.svdvals(orthogonalised(matrix))

    assert orthogonalised(matrix).shape == matrix.shape
    assert values.max() < 1.4
    assert values.median() > 0.6
