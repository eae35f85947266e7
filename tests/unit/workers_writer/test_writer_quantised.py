"""The base really lies in NF4, and training over it after an evaluation learns from true gradients."""

from pathlib import Path
from typing import Any

import pytest
import torch
from writer_models import random_llama, save_model
from writer_tokenizers import small

from workers.training.base import save_base
from workers.training.qlora import LINEAR, new_lora
from workers.writer.quantised import attach_lora, load_quantised


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("model"))


def linears(model: Any) -> dict[str, Any]:
    import bitsandbytes

    return {name: module for name, module in model.named_modules() if isinstance(module, bitsandbytes.nn.Linear4bit)}


def test_every_linear_layer_of_the_base_is_nf4_doubly_quantised(directory: Path) -> None:
    found = linears(load_quantised(directory / "base"))

    assert len(found) == 2 * len(LINEAR)
    assert {module.weight.quant_state.quant_type for module in found.values()} == {"nf4"}
    assert all(module.weight.quant_state.nested and module.weight.dtype is torch.uint8 for module in found.values())


def test_the_lora_adapter_is_attached_to_every_linear_layer_and_nothing_can_be_trained(directory: Path) -> None:
    model = attach_lora(load_quantised(directory / "base"), directory / "lora")

    adapted = [
        name for name, module in model.named_modules() if hasattr(module, "lora_A") and "default" in module.lora_A
    ]
    assert len(adapted) == 2 * len(LINEAR)
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert not model.training


@pytest.mark.parametrize("make", [load_quantised, new_lora])
def test_no_linear_layer_may_repack_its_weights(directory: Path, make: Any) -> None:
    found = linears(make(directory / "base"))

    assert found
    assert [module.support_avx512bf16_for_cpu for module in found.values()] == [False] * len(found)


def test_gradients_after_an_evaluation_are_those_of_the_dequantised_base(tmp_path: Path) -> None:
    """On a CPU with AVX512-BF16 a repacked weight gives a cosine of 0.1 here, and no error."""
    import bitsandbytes

    save_base(random_llama(len(small())), small(), tmp_path)
    model = new_lora(tmp_path, rank=4, embedding=False)
    ids = torch.arange(3, 67).reshape(1, 64)
    model.eval()
    with torch.no_grad():
        model(input_ids=ids)
    model.train()

    tried = _gradients(model, ids)
    for name, module in linears(model).items():
        weight = bitsandbytes.functional.dequantize_4bit(module.weight.data, module.weight.quant_state)
        plain = torch.nn.Linear(module.in_features, module.out_features, bias=False)
        plain.weight = torch.nn.Parameter(weight.float(), requires_grad=False)
        parent = model.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], plain)
    wanted = _gradients(model, ids)

    assert not linears(model)
    for name, gradient in wanted.items():
        cosine = torch.nn.functional.cosine_similarity(gradient.flatten(), tried[name].flatten(), dim=0)
        assert float(cosine) > 0.99, name


def _gradients(model: Any, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad(set_to_none=True)
    for parameter in (p for n, p in model.named_parameters() if "lora_B" in n):
        if not bool(parameter.any()):  # zero when fresh, and then nothing would flow into lora_A
            torch.nn.init.normal_(parameter, std=0.02)
    model(input_ids=ids, labels=ids).loss.backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad and p.grad is not None}
