"""Numbers as letters write them: decimal comma or point, thousands, number words in German and English."""

import re
from decimal import Decimal

_DE_UNITS = ["", "ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"]
_DE_TEENS = "zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn".split()  # noqa: SIM905
_DE_TENS = ["", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"]
_EN_UNITS = ["", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_EN_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()  # noqa: SIM905
_EN_TENS = ["", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def _number_words() -> dict[str, int]:
    """1 to 99. ``ein``/``eine`` and ``one`` stay out: they are articles and pronouns first."""
    words: dict[str, int] = {}
    for value in range(2, 100):
        tens, unit = divmod(value, 10)
        if value < 10:
            words |= {_DE_UNITS[value]: value, _EN_UNITS[value]: value}
        elif value < 20:
            words |= {_DE_TEENS[unit]: value, _EN_TEENS[unit]: value}
        elif unit == 0:
            words |= {_DE_TENS[tens - 1]: value, _EN_TENS[tens - 1]: value}
        else:
            words[f"{_DE_UNITS[unit]}und{_DE_TENS[tens - 1]}"] = value
            words[f"{_EN_TENS[tens - 1]}-{_EN_UNITS[unit]}"] = value
            words[f"{_EN_TENS[tens - 1]} {_EN_UNITS[unit]}"] = value
    for word in [w for w in words if "ü" in w or "ö" in w or "ß" in w]:
        words[word.replace("ü", "ue").replace("ö", "oe").replace("ß", "ss")] = words[word]
    return words


NUMBER_WORDS = _number_words()
WORD_PATTERN = "|".join(sorted(map(re.escape, NUMBER_WORDS), key=len, reverse=True))
DIGITS_PATTERN = r"\d{1,6}(?:[.,]\d{1,3})?"
"""A figure with at most one separator; what the separator means, :func:`parse` decides."""
NUMBER_PATTERN = rf"(?<![\w.,]){DIGITS_PATTERN}(?![\d])|\b(?:{WORD_PATTERN})\b"


def parse(text: str, *, thousands: bool = False) -> Decimal | None:
    """The number a token means, or None.

    Args:
        thousands: read ``5.040`` and ``5,040`` as five thousand and forty (so with cGy); else as a decimal.
    """
    token = text.strip().lower()
    if token in NUMBER_WORDS:
        return Decimal(NUMBER_WORDS[token])
    if not re.fullmatch(r"\d{1,9}(?:[.,]\d{1,9})?", token):
        return None
    whole, _, rest = token.replace(",", ".").partition(".")
    # int() reads digits of every script; so must the value, or an Arabic-Indic 5 would go unchecked
    whole, rest = "".join(str(int(c)) for c in whole), "".join(str(int(c)) for c in rest)
    if thousands and len(rest) == 3:
        return Decimal(whole + rest)
    return Decimal(f"{whole}.{rest}" if rest else whole)


def canonical(number: Decimal) -> str:
    """Shortest decimal form: ``50.40`` to ``50.4``, ``60.0`` to ``60``."""
    return f"{number.normalize():f}"


def as_number(value: str) -> Decimal | None:
    """A canonical fact value as a number; None where it is none."""
    match = re.match(r"\s*([0-9]{1,9}(?:[.,][0-9]{1,9})?)", value)
    return Decimal(match[1].replace(",", ".")) if match else None
