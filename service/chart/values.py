"""Values with their canonical form and display, made from what a reader found."""

from dataclasses import replace
from decimal import Decimal

from service.chart import displays
from service.chart.codes import Word
from service.chart.dates import Moment
from service.chart.element import Element, Leaf
from service.chart.items import Value
from service.model import Display, FactType, Importance
from service.radiotherapy import plain, to_gray


def a_date(leaf: Leaf[Moment], importance: Importance = Importance.NORMAL) -> Value:
    return Value(
        type=FactType.DATE,
        value=leaf.value.date,
        display=displays.date(leaf.value.date),
        source=leaf.source,
        importance=importance,
    )


def a_text(
    type_: FactType,
    leaf: Leaf[str],
    importance: Importance = Importance.NORMAL,
    *,
    code: str | None = None,
    system: str | None = None,
) -> Value:
    """Words as the source has them, in both languages."""
    return Value(
        type=type_,
        value=leaf.value,
        display=displays.same_in_both(leaf.value),
        source=leaf.source,
        importance=importance,
        code=code,
        system=system,
    )


def a_word(type_: FactType, found: Word, importance: Importance = Importance.NORMAL) -> Value:
    return Value(
        type=type_,
        value=found.value,
        display=found.display,
        source=found.source,
        importance=importance,
        code=found.code,
        system=found.system,
    )


def a_code(type_: FactType, value: str, source: str, importance: Importance = Importance.NORMAL) -> Value:
    """A canonical word of the house (sex, side, intent, status) with its words in both languages."""
    return Value(
        type=type_,
        value=value,
        display=displays.word(value) or displays.same_in_both(value),
        source=source,
        importance=importance,
    )


def a_count(type_: FactType, leaf: Leaf[Decimal], importance: Importance = Importance.NORMAL) -> Value:
    text = plain(leaf.value)
    return Value(type=type_, value=text, display=displays.same_in_both(text), source=leaf.source, importance=importance)


def a_dose(type_: FactType, gray: Decimal, source: str, importance: Importance = Importance.NORMAL) -> Value:
    return Value(
        type=type_,
        value=plain(gray),
        display=displays.dose(gray),
        source=source,
        unit="Gy",
        importance=importance,
    )


def an_amount(
    type_: FactType,
    number: Decimal,
    unit: str,
    source: str,
    importance: Importance = Importance.NORMAL,
    *,
    comparator: str = "",
) -> Value:
    """A figure with its unit. ``unit`` is UCUM where the source has it, else its own word."""
    text = plain(number)
    shown = displays.quantity(text, unit)
    mark = f"{comparator} " if comparator else ""
    return Value(
        type=type_,
        value=f"{comparator}{text}",
        display=Display(de=f"{mark}{shown.de}", en=f"{mark}{shown.en}"),
        source=source,
        unit=unit or None,
        importance=importance,
    )


def quantity_unit(quantity: Element) -> str:
    """UCUM code, else the unit as written."""
    return quantity.word("code") or quantity.word("unit")


def gray_of(quantity: Element | None) -> Leaf[Decimal] | None:
    """A dose in gray. Without a unit it is cGy, as mCODE fixes the unit; that, and a conversion, is said in a note."""
    number = quantity.number("value") if quantity else None
    if quantity is None or number is None:
        return None
    unit = quantity_unit(quantity)
    if not unit:
        quantity.note("dose without a unit, read as cGy")
    for each in (unit or "cGy", quantity.word("unit")):
        try:
            gray = to_gray(number.value, each)
        except ValueError:
            continue
        if gray < 0:
            break
        if unit and gray != number.value:
            quantity.note(f"dose in {each}, told in Gy")
        return Leaf(value=gray, source=quantity.source)
    quantity.note("a dose of this unit or size is not understood, left out")
    return None


def with_importance(value: Value, importance: Importance) -> Value:
    return replace(value, importance=importance)


def plain_number(text: str) -> str:
    """``2,50`` reads ``2.5``."""
    return plain(Decimal(text.replace(",", ".")))
