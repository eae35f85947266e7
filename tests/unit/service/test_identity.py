"""Which number a patient or a visit goes by, after any number of merges and changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.identity import Alias, present_names, present_visit, split_stay

_NUMBERS = st.sampled_from("ABCDE")
_ALIASES = st.lists(
    st.builds(Alias, former=_NUMBERS, present=_NUMBERS, event_time=st.sampled_from(["", "1", "2", "3"])), max_size=8
)


def alias(former: str, present: str, time: int) -> Alias:
    return Alias(former=former, present=present, event_time=f"2026-03-01T08:{time:02}:00+00:00")


@given(aliases=_ALIASES, data=st.data())
def test_names_do_not_depend_on_the_order_in_which_aliases_arrived(aliases: list[Alias], data: st.DataObject) -> None:
    arrived = data.draw(st.permutations(aliases))
    names = present_names(aliases)
    assert present_names([*arrived, *arrived[:2]]) == names
    assert all(names[name] == name for name in names.values())
    assert all(names[each.former] == names[each.present] for each in aliases)


@pytest.mark.parametrize(
    ("aliases", "names"),
    [
        ([alias("A", "B", 1), alias("B", "C", 2)], {"A": "C", "B": "C", "C": "C"}),
        ([alias("B", "C", 1), alias("A", "B", 2)], {"A": "C", "B": "C", "C": "C"}),  # into one that was given up
        ([alias("A", "B", 1), alias("B", "A", 2)], {"A": "A", "B": "A"}),  # and back
        ([alias("B", "A", 2), alias("A", "B", 1)], {"A": "A", "B": "A"}),
        ([alias("A", "A", 1)], {"A": "A"}),
        ([alias("A", "B", 1), alias("C", "D", 2)], {"A": "B", "B": "B", "C": "D", "D": "D"}),
    ],
)
def test_the_newest_alias_says_what_several_numbers_go_by(aliases: list[Alias], names: dict[str, str]) -> None:
    assert present_names(aliases) == names


def test_a_visit_without_a_number_goes_with_its_patient_and_then_by_its_own_aliases() -> None:
    patients = {"KIS|P1": "KIS|P2"}
    assert split_stay("KIS|P1|2026") == ("KIS|P1", "2026")
    assert split_stay("KIS|F1") is None
    assert present_visit("KIS|P1|2026", visits=[], patients=patients) == "KIS|P2|2026"
    numbered = Alias(former="KIS|P1|2026", present="KIS|F1", event_time="")
    assert present_visit("KIS|P2|2026", visits=[numbered], patients=patients) == "KIS|F1"
