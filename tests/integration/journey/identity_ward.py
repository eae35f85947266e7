"""A ward whose EHR gives out nothing, so that the chart is what the messages say; and what tests ask of it."""

from collections.abc import Sequence

from journey_world import Journey, MemoryEhr

from service import signoff
from service.model import Case
from service.ports import Resource


class NoEhr(MemoryEhr):
    """An EHR that gives out nothing: the chart is what the messages say."""

    def resources(self, case_key: str, patient_id: str) -> Sequence[Resource]:
        return []


def receive(ward: Journey, *bodies: bytes) -> None:
    """Each is read, and all that follows from it done, before the next one comes."""
    for body in bodies:
        ward.receive(body)
        ward.run_all()


def case_of(ward: Journey, visit: str) -> Case | None:
    with ward.store.begin() as tx:
        return tx.case_by_key(f"KIS|{visit}")


def the_case(ward: Journey, visit: str) -> Case:
    case = case_of(ward, visit)
    assert case is not None
    return case


def members(ward: Journey, case: Case) -> list[str]:
    with ward.store.begin() as tx:
        return [f"{message.event}@{message.event_time[14:16]}" for message in tx.messages_of(case.id)]


def states(ward: Journey) -> dict[str, tuple[str, tuple[str, ...]]]:
    with ward.store.begin() as tx:
        return {case.key: (case.state.value, case.notices) for case in tx.cases()}


def touch(ward: Journey, case: Case) -> None:
    desk = signoff.open_desk(ward.world, case.id)
    text = desk.review.text + "\n\nVon Hand ergänzt."
    signoff.rewrite(ward.world, case.id, revision=desk.review.revision, text=text, by="dr1")


def sign(ward: Journey, case: Case) -> None:
    desk = signoff.open_desk(ward.world, case.id)
    signoff.sign(ward.world, case.id, revision=desk.review.revision, digest=desk.digest, signer="Dr. Muster")
