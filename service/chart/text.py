"""Words of the source made fit for a letter, and told apart from instructions to a model."""

import re

_INSTRUCTION = re.compile(
    r"""
      \b(?:ignor\w*|disregard\w*|forget|override|vergiss|vergessen\s+sie|missachte\w*|überschreib\w*)\b
        [^.\n]{0,40}\b(?:instruction|prompt|rule|direction|previous|above|prior|anweisung|anleitung|vorgabe|regel|befehl
        |vorherig|bisherig|obig|alles)
    | \b(?:system|developer)[\s-]?prompt\b
    | \b(?:new|neue)\s+(?:instructions?|anweisung(?:en)?)\b
    | \byou\s+are\s+(?:now|an?\s+(?:ai|assistant|language\s+model))\b
    | \bdu\s+bist\s+(?:jetzt|nun|ein(?:e)?\s+(?:ki|assistent|sprachmodell))
    | \b(?:act|behave)\s+as\s+(?:an?|if)\b
    | \b(?:write|state|add|insert|claim|say)\b[^.\n]{0,30}\b(?:in|into|to)\s+the\s+(?:letter|report|summary)\b
    | \b(?:schreib\w*|erwähn\w*|füg\w*|nenn\w*|behaupte\w*)\b[^.\n]{0,40}\b(?:brief|bericht)\b
    | \[/?inst\] | <\|[a-z_]+\|> | <</?sys>> | \#{2,}\s*(?:instruction|system|anweisung)
    """,
    re.IGNORECASE | re.VERBOSE,
)


def clean(text: str) -> str:
    """One line without control characters, safe to encode, with ``[[`` taken apart.

    ``[[`` would otherwise read as the beginning of a handle wherever the text is shown beside handles.
    """
    encodable = text.encode("utf-8", "replace").decode("utf-8")
    printable = "".join(sign if sign.isprintable() else " " for sign in encodable)
    return re.sub(r"\[(?=\[)", "[ ", " ".join(printable.split()))


def reads_like_an_instruction(text: str) -> bool:
    """Whether words of a chart speak to a language model rather than of a patient."""
    return bool(_INSTRUCTION.search(text))


def without_qualifier(text: str) -> str:
    """A SNOMED CT name without its semantic tag: ``Breast structure (body structure)`` -> ``Breast structure``."""
    return re.sub(
        r"\s*\((?:body structure|procedure|finding|disorder|qualifier value|morphologic abnormality|regime/therapy"
        r"|substance|product|tumor staging|observable entity|situation)\)$",
        "",
        text,
    )
