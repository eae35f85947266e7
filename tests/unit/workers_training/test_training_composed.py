"""Embeddings that are sums while a base is trained, and ordinary rows afterwards."""

import pytest
import torch
from writer_models import random_llama
from writer_tokenizers import small

from workers.training.base import scores_of
from workers.training.composed import compose_embeddings, features, output_weight, write_out


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("[[medication.3.drug]]", "[[medication.3.dose]]", {"kind medication", "number 0 3", "item medication 3"}),
        ("[[medication.3.drug]]", "[[systemic.3.drug]]", {"leaf drug", "number 0 3"}),
        ("[[course.1.volume.2.dose]]", "[[course.2.volume.2.dose]]", {"number 1 2", "part volume 2"}),
        ("[[course.1.start]]", "[[course.1.start:month]]", {"leaf start", "item course 1"}),
    ],
)
def test_handles_share_what_their_names_share(one: str, other: str, shared: set[str]) -> None:
    assert shared <= set(features(one)) & set(features(other))
    assert set(features(one)) != set(features(other))


@pytest.mark.parametrize("token", ["", " the", "Gy", "[[", "<|end|>", "[[Course.1]]"])
def test_no_other_token_shares_anything(token: str) -> None:
    assert features(token) == ()


def test_composing_adds_shared_parts_to_the_rows_of_handles_alone() -> None:
    tokenizer = small()
    model = random_llama(len(tokenizer))
    before = model.get_input_embeddings().weight.detach().clone()

    compose_embeddings(model, tokenizer)
    weight = output_weight(model)

    assert weight is not None
    moved = (weight.detach() - before).norm(dim=1) > 0
    handles = {number for token, number in tokenizer.get_vocab().items() if features(token)}
    assert set(moved.nonzero().flatten().tolist()) == handles


def test_a_step_on_one_handle_moves_its_relatives_too() -> None:
    tokenizer = small()
    model = random_llama(len(tokenizer))
    compose_embeddings(model, tokenizer)
    vocabulary = tokenizer.get_vocab()
    relative, stranger = vocabulary["[[medication.3.dose]]"], 5
    before = model.get_input_embeddings().weight.detach().clone()

    optimiser = torch.optim.SGD(model.get_input_embeddings().parameters(), lr=0.1)
    model.get_input_embeddings().weight[vocabulary["[[medication.3.drug]]"]].sum().backward()
    optimiser.step()

    moved = (model.get_input_embeddings().weight.detach() - before).norm(dim=1)
    assert moved[relative] > 0
    assert moved[stranger] == 0


def test_written_out_the_model_computes_the_same_and_is_tied_again() -> None:
    tokenizer = small()
    model = random_llama(len(tokenizer))
    compose_embeddings(model, tokenizer)
    ids = torch.tensor([[5, tokenizer.get_vocab()["[[course.1.start]]"], 9]])
    with torch.no_grad():
        summed = scores_of(model, model.get_decoder()(input_ids=ids).last_hidden_state)

    write_out(model)

    assert output_weight(model) is None
    assert model.lm_head.weight is model.get_input_embeddings().weight
    with torch.no_grad():
        assert torch.allclose(model(input_ids=ids).logits, summed, atol=1e-5)
