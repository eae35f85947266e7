"""What each token adds to a text, for every kind of tokenizer."""

from collections.abc import Callable
from typing import Any

import pytest
from writer_tokenizers import letters, like_llama_2, like_llama_3, small

from service.errors import ModelUnavailable
from workers.writer.vocabulary import read_vocabulary

KINDS = [small, like_llama_3, like_llama_2]
TEXT = "Herr Müller – „gut“ 50,4 Gy\n- [[course.1.start]].\n漢字 😀"


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("text", [TEXT, *letters([3])])
def test_the_pieces_of_a_text_are_its_bytes(make: Callable[[], Any], text: str) -> None:
    tokenizer = make()
    vocabulary = read_vocabulary(tokenizer, size=len(tokenizer))

    ids = tokenizer(text, add_special_tokens=False)["input_ids"]

    assert b"".join(vocabulary.pieces[each] or b"" for each in ids) == text.encode()
    assert vocabulary.text(ids) == text


@pytest.mark.parametrize("make", KINDS)
def test_control_tokens_and_rows_without_a_token_add_nothing(make: Callable[[], Any]) -> None:
    tokenizer = make()
    vocabulary = read_vocabulary(tokenizer, size=len(tokenizer) + 64)

    assert vocabulary.pieces[tokenizer.pad_token_id] is None
    assert vocabulary.end == {tokenizer.eos_token_id}
    assert vocabulary.pieces[-64:] == (None,) * 64


def test_a_handle_is_one_token_of_the_small_vocabulary_and_text_of_the_general() -> None:
    handle = "[[course.1.start]]"

    assert handle.encode() in read_vocabulary(small(), size=len(small())).pieces
    assert len(like_llama_3()(handle, add_special_tokens=False)["input_ids"]) > 1


def test_a_tokenizer_whose_bytes_cannot_be_told_is_refused() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"Herr": 0, "<unk>": 1}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()

    with pytest.raises(ModelUnavailable, match="neither byte-level nor with byte fallback"):
        read_vocabulary(PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>"), size=2)


def test_an_unfinished_last_character_is_left_out_of_the_text() -> None:
    vocabulary = read_vocabulary(like_llama_3(), size=len(like_llama_3()))
    ids = [vocabulary.pieces.index(bytes([byte])) for byte in "aü".encode()]

    assert vocabulary.text(ids[:-1]) == "a"
