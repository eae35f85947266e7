"""A visit by its messages: the same for the same messages in any order."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.model import Event
from service.visit import AFTER, BEFORE, Turn, VisitStatus, patients_of, reach, status_of

BEGIN = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


def turn(
    event: Event,
    minute: int,
    *,
    recorded: int | None = None,
    starts: bool | None = None,
    patient: str | None = "p1",
    former: str | None = None,
) -> Turn:
    return Turn(
        event=event,
        at=BEGIN + timedelta(minutes=minute),
        recorded=BEGIN + timedelta(minutes=minute if recorded is None else recorded),
        starts=event is Event.DISCHARGE if starts is None else starts,
        patient=patient,
        former_patient=former,
    )


_MINUTES = st.integers(0, 6)
_TURNS = st.lists(
    st.builds(
        turn,
        st.sampled_from(list(Event)),
        _MINUTES,
        recorded=st.none() | _MINUTES,
        starts=st.none() | st.booleans(),
        patient=st.sampled_from([None, "p1", "p2", "p3"]),
        former=st.sampled_from([None, "p1", "p2"]),
    ),
    max_size=8,
)


@given(turns=_TURNS, data=st.data())
def test_status_patients_and_reach_do_not_depend_on_the_order_of_arrival(
    turns: list[Turn], data: st.DataObject
) -> None:
    arrived = data.draw(st.permutations(turns))
    again = [*arrived, *data.draw(st.lists(st.sampled_from(turns), max_size=3) if turns else st.just([]))]
    for judge in (status_of, patients_of, reach):
        assert judge(arrived) == judge(turns) == judge(again)


D, A, C, X = Event.DISCHARGE, Event.ADMIT, Event.CANCEL_DISCHARGE, Event.CANCEL_ADMIT


@pytest.mark.parametrize(
    ("turns", "status"),
    [
        ([], VisitStatus.OPEN),
        ([turn(A, 0)], VisitStatus.OPEN),
        ([turn(A, 0), turn(D, 10)], VisitStatus.DISCHARGED),
        ([turn(D, 10, starts=False)], VisitStatus.OPEN),
        ([turn(D, 10), turn(C, 10, recorded=20)], VisitStatus.REOPENED),
        ([turn(D, 10), turn(C, 5, recorded=20)], VisitStatus.REOPENED),
        ([turn(D, 90, recorded=10), turn(C, 20)], VisitStatus.REOPENED),  # announced for later, then taken back
        ([turn(D, 10), turn(D, 11), turn(C, 20)], VisitStatus.REOPENED),
        ([turn(D, 10), turn(C, 20), turn(D, 9, recorded=30)], VisitStatus.DISCHARGED),
        ([turn(D, 10), turn(C, 10)], VisitStatus.REOPENED),
        ([turn(Event.RESULT, 5, starts=True), turn(C, 20)], VisitStatus.DISCHARGED),  # the end of a course stands
        ([turn(A, 0), turn(X, 0, recorded=5)], VisitStatus.CANCELLED),
        ([turn(A, 0), turn(X, 5), turn(Event.UPDATE, 9)], VisitStatus.CANCELLED),
        ([turn(A, 0), turn(D, 3), turn(X, 5), turn(A, 9)], VisitStatus.REOPENED),
        ([turn(X, 5), turn(D, 9)], VisitStatus.DISCHARGED),
        ([turn(A, 0), turn(Event.CANCEL_TRANSFER, 5)], VisitStatus.OPEN),
    ],
)
def test_how_a_visit_stands(turns: list[Turn], status: VisitStatus) -> None:
    assert status_of(turns) is status


def test_a_visit_that_moved_is_no_longer_the_former_patients() -> None:
    told = [turn(A, 0), turn(Event.RESULT, 1, patient="lab1")]
    move = turn(Event.CHANGE_VISIT, 5, patient="p2", former="p1")
    assert patients_of([*told, move]) == ("lab1", "p2")
    assert patients_of([*told, move, turn(Event.UPDATE, 9)]) == ("lab1", "p2", "p1")


def test_reach_is_open_until_the_visit_ends_and_again_when_its_end_is_taken_back() -> None:
    begun = [turn(A, 0), turn(Event.UPDATE, 5)]
    first, end = BEGIN - BEFORE, BEGIN + timedelta(minutes=10) + AFTER
    assert reach([]) is None
    assert reach(begun) == (first, None)
    assert reach([*begun, turn(D, 10, starts=False)]) == (first, end)
    assert reach([*begun, turn(D, 10), turn(C, 20)]) == (first, None)
    assert reach([*begun, turn(X, 10)]) == (first, end)
