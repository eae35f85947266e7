"""A small vocabulary in which every handle, with each of its forms, is one token.

Byte-level BPE (GPT-2's alphabet), so that any text encodes. The merges are learned from prompts and
letters; handles stand outside the merges as added tokens.
"""

from collections.abc import Iterable
from typing import Any

from workers.writer.handles import known_references

END = "<|end|>"
PAD = "<|pad|>"
VOCABULARY_SIZE = 2048
"""256 bytes, 576 handles with forms, two controls, and about 1,200 merges for two languages."""


def train_tokenizer(texts: Iterable[str], *, size: int = VOCABULARY_SIZE) -> Any:
    """A fast Hugging Face tokenizer with ``size`` tokens at most."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    handles = known_references()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(handles),
        special_tokens=[PAD, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator((_without_handles(text) for text in texts), trainer)
    tokenizer.add_tokens([AddedToken(each, normalized=False, special=False) for each in handles])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, pad_token=PAD, clean_up_tokenization_spaces=False
    )


def _without_handles(text: str) -> str:
    """Handles never reach the merges; a line break keeps what stood around them apart."""
    parts = text.split("[[")
    return parts[0] + "".join("\n" + part.split("]]", 1)[-1] for part in parts[1:])
