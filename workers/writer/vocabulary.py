"""What each token of a tokenizer adds to a text, in bytes."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from service.errors import ModelUnavailable

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """``pieces[id]`` is what token ``id`` adds; None for control tokens and holes. ``end``: end-of-text ids."""

    pieces: tuple[bytes | None, ...]
    end: frozenset[int]

    def text(self, ids: Sequence[int]) -> str:
        """The text of a run of tokens; an unfinished last character is left out."""
        return b"".join(self.pieces[i] or b"" for i in ids).decode("utf-8", errors="ignore")


def read_vocabulary(tokenizer: Any, *, size: int) -> Vocabulary:
    """From a fast Hugging Face tokenizer, byte-level (LLaMA-3) or with byte fallback (LLaMA-2).

    Args:
        size: rows of the model's embedding, which may be more than the tokenizer's tokens.

    Raises:
        ModelUnavailable: the tokenizer is of a kind whose bytes cannot be told.
    """
    described = json.loads(tokenizer.backend_tokenizer.to_str())
    kinds = _kinds(described.get("decoder"))
    added = {entry["id"]: entry for entry in described.get("added_tokens", [])}
    pieces: list[bytes | None] = [None] * size
    for token, number in tokenizer.get_vocab().items():
        if number >= size:
            continue
        if number in added:
            pieces[number] = None if added[number]["special"] else token.encode()
        elif "ByteLevel" in kinds:
            pieces[number] = bytes(_byte_of()[char] for char in token)
        elif "ByteFallback" in kinds:
            hexadecimal = _BYTE_TOKEN.fullmatch(token)
            pieces[number] = bytes([int(hexadecimal[1], 16)]) if hexadecimal else token.replace("▁", " ").encode()
        else:
            raise ModelUnavailable(
                "the tokenizer is neither byte-level nor with byte fallback",
                remedy="Use a base model with a LLaMA-2 or LLaMA-3 tokenizer.",
            )
    ends = {tokenizer.eos_token_id} if tokenizer.eos_token_id is not None else set()
    ends |= {n for n, entry in added.items() if entry["content"] in ("<|eot_id|>", "<|end_of_text|>")}
    return Vocabulary(pieces=tuple(pieces), end=frozenset(ends))


def _kinds(decoder: Mapping[str, Any] | None) -> set[str]:
    if not decoder:
        return set()
    return {decoder["type"]}.union(*(_kinds(part) for part in decoder.get("decoders", [])))


@cache
def _byte_of() -> dict[str, int]:
    """GPT-2's printable stand-ins for bytes, the way back (openai/gpt-2, encoder.py, bytes_to_unicode)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(byte): byte for byte in printable}
    others = [byte for byte in range(256) if byte not in printable]
    return table | {chr(256 + i): byte for i, byte in enumerate(others)}
