"""The real processes and the real model, killed at the worst moments: N discharges in, N drafts in the inbox.

Service, workers, Redis, store and EHR are those of `epikrise demo`; only the patience of leases is shorter.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import psutil
import pytest

from adapters.hl7.mllp_client import send
from service.cli.stage import VISIT_AUTHORITY, Stage
from service.config import load_settings
from service.model import Case, CaseState, Step, StepState
from workers.app import DEMONSTRATION_MODEL
from workers.training.synthetic import SyntheticCase, generate_case

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not (DEMONSTRATION_MODEL / "manifest.json").is_file(), reason="the demonstration model is not here: make model"
    ),
]
_PATIENCE = 400.0  # s


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for name, value in {"LEASE": "4", "RING_AGAIN": "2", "RETRY_BASE": "0.2"}.items():
        monkeypatch.setenv(f"EPIKRISE_JOURNEY__{name}_SECONDS", value)
    with Stage.open(load_settings(home=str(tmp_path / "home")), lang="de") as opened:
        yield opened


def test_worker_and_redis_killed_while_cases_wait_and_each_discharge_ends_as_exactly_one_draft(stage: Stage) -> None:
    cases = [generate_case(seed, lang="de") for seed in (11, 12, 13)]
    for each in cases:
        answer = httpx.post(f"{stage.ehr_url}/fhir", json=each.bundle, timeout=60, trust_env=False)
        assert answer.status_code < 300, answer.text
        tell(stage, each.messages)

    # in the middle of writing
    until(lambda: any(step.state is StepState.RUNNING and step.attempts for step in writing(stage)), "writing")
    stage.kill("writer")
    assert not any(step.state is StepState.DONE for step in writing(stage)), "it was killed too late to matter"
    rob_and_kill_redis(stage)
    stage.kill("worker")
    stage.kill("service")
    for name in ("service", "worker", "writer"):
        stage.start(name)
    rob_and_kill_redis(stage)  # while `serve` lives, which must start it again

    until(lambda: all(is_in_inbox(stage, each) for each in cases), "the inbox")
    for each in cases:
        drafts = documents_of(stage, case_of(stage, each))
        assert [draft["docStatus"] for draft in drafts] == ["preliminary"]
    assert count(stage, "DocumentReference", status="current") == count(stage, "Task", status="requested") == 3

    # a duplicate gives no second draft, a cancelled discharge takes its draft back
    tell(stage, cases[0].messages)
    tell(stage, [cancellation(cases[1])])
    until(lambda: count(stage, "Task", status="cancelled") == 1, "the withdrawal")
    assert case_of(stage, cases[1]).state is CaseState.WITHDRAWN
    assert count(stage, "DocumentReference", status="current") == count(stage, "Task", status="requested") == 2


def tell(stage: Stage, messages: Sequence[bytes]) -> None:
    acks = list(send(messages, "127.0.0.1", stage.mllp_port, timeout=30.0))
    assert [ack.code for ack in acks] == ["AA"] * len(messages)


def rob_and_kill_redis(stage: Stage) -> None:
    """Its files go first: `serve` would start it again before they could be deleted."""
    home = stage.settings.home / "redis"
    (redis,) = [child for child in psutil.Process(stage.processes["service"].pid).children() if "redis" in child.name()]
    shutil.rmtree(home / "data")
    redis.kill()


def cancellation(case: SyntheticCase) -> bytes:
    """A13 for the discharge among the case's messages, an hour after it."""
    discharge = next(body for body in reversed(case.messages) if b"ADT^A03" in body)
    segments = [segment.split(b"|") for segment in discharge.replace(b"A03", b"A13").split(b"\r") if segment]
    header = segments[0]
    header[9] = header[9] + b"-C"
    return b"\r".join(b"|".join(segment) for segment in segments) + b"\r"


def writing(stage: Stage) -> list[Step]:
    with stage.store.read() as tx:
        return [step for case in tx.cases() for step in tx.steps_of(case.id) if step.name == "write"]


def case_of(stage: Stage, case: SyntheticCase) -> Case:
    with stage.store.read() as tx:
        known = tx.case_by_key(f"{VISIT_AUTHORITY}|{case.visit_number}")
    assert known is not None
    return known


def is_in_inbox(stage: Stage, case: SyntheticCase) -> bool:
    with stage.store.read() as tx:
        known = tx.case_by_key(f"{VISIT_AUTHORITY}|{case.visit_number}")
    assert known is None or known.state not in (CaseState.FAILED, CaseState.HELD), f"{known.state}: {known.notices}"
    return known is not None and known.state is CaseState.IN_INBOX


def documents_of(stage: Stage, case: Case) -> list[dict[str, str]]:
    with stage.store.read() as tx:
        generations = {step.generation for step in tx.steps_of(case.id) if step.name == "deliver"}
    keys = ",".join(f"urn:epikrise:document|{case.id}.{generation}" for generation in generations)
    answer = httpx.get(
        f"{stage.ehr_url}/fhir/DocumentReference", params={"identifier": keys}, timeout=30, trust_env=False
    )
    return [entry["resource"] for entry in answer.json().get("entry", [])]


def count(stage: Stage, kind: str, **parameters: str) -> int:
    answer = httpx.get(
        f"{stage.ehr_url}/fhir/{kind}", params={**parameters, "_count": "0"}, timeout=30, trust_env=False
    )
    return int(answer.json()["total"])


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"{what} was not reached"
        time.sleep(0.1)
