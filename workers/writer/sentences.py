"""Where in a letter's tokens the line or sentence begun starts."""

import re
from collections.abc import Sequence
from itertools import accumulate

from workers.writer.vocabulary import Vocabulary

_SENTENCE_END = re.compile(r"(?:[^\W\d_]{5}|[\]%)])[.!?]\Z")
"""Before a full stop five letters or a bracket: no abbreviation."""
_LOOK_BACK = 32
"""Bytes that hold what the pattern above needs."""


def start_of_line_or_sentence(ids: Sequence[int], vocabulary: Vocabulary) -> int:
    """How many tokens stand before the line or sentence that the last token belongs to, its heading included."""
    ends = list(accumulate((len(vocabulary.pieces[each] or b"") for each in ids), initial=0))
    data = b"".join(vocabulary.pieces[each] or b"" for each in ids)
    for cut in range(len(ids) - 1, 0, -1):
        end = ends[cut]
        if data.endswith(b"\n", 0, end):
            after_heading = data[:end].rstrip(b"\n").endswith(b":") and not data.endswith(b"\n\n", 0, end)
            if after_heading:
                continue  # a heading without a line under it says nothing: it goes too
            return cut
        if data.startswith(b" ", end) and _SENTENCE_END.search(
            data[max(0, end - _LOOK_BACK) : end].decode(errors="ignore")
        ):
            return cut
    return 0
