"""Nobody works: what `queue status` and `doctor` say to who looks at three in the morning."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from operator_desk import Operator, epikrise, home, store

from adapters.broker import CeleryBell, make_celery
from adapters.redis_server import RedisServer
from adapters.store import SqlStore
from service.bootstrap import now, open_sealed_store
from service.config import load_settings
from service.model import Step
from service.pipeline import QUEUES

__all__ = ["epikrise", "home", "store"]


@pytest.fixture
def waiting(home: Path, store: SqlStore) -> Iterator[list[Step]]:
    """Two reads, due for five minutes."""
    _, earlier = open_sealed_store(load_settings(), clock=lambda: now() - timedelta(minutes=5))
    with earlier.begin() as tx:
        steps = [tx.add_step("read", "intake", subject=subject) for subject in ("a", "b")]
    earlier.close()
    yield steps


def workers(epikrise: Operator) -> tuple[str, str]:
    (row,) = [row for row in epikrise("doctor", "--json").data if row["check"] == "workers"]
    return row["state"], row["remedy"]


def test_a_queue_that_nobody_works_on_is_told_with_its_mend(epikrise: Operator, waiting: list[Step]) -> None:
    answer = epikrise("queue", "status", "--json")
    assert "intake: a step has been due for 5 min, and no worker takes one" in answer.err
    assert "epikrise worker --queue intake" in answer.err
    assert {row["unheard"] for row in answer.data} == {None}, "no broker is known"
    assert workers(epikrise)[0] == "warning"
    assert "epikrise worker --queue intake" in workers(epikrise)[1]


@pytest.mark.parametrize("does", ["holds a step", "has ended one"])
def test_a_queue_that_a_worker_works_on_is_not(
    epikrise: Operator, store: SqlStore, waiting: list[Step], does: str
) -> None:
    with store.begin() as tx:
        step = tx.claim(waiting[0].id, lease=timedelta(minutes=1))
        assert step is not None
        if does == "has ended one":
            tx.finish(step)
    assert epikrise("queue", "status").err == ""
    assert workers(epikrise)[0] == "ok"


def test_a_paused_queue_waits_for_people_and_not_for_a_worker(epikrise: Operator, waiting: list[Step]) -> None:
    epikrise("queue", "pause", "intake")
    assert epikrise("queue", "status").err == ""


def test_a_worker_that_died_in_a_step_does_not_count(epikrise: Operator, store: SqlStore, waiting: list[Step]) -> None:
    _, earlier = open_sealed_store(load_settings(), clock=lambda: now() - timedelta(minutes=4))
    with earlier.begin() as tx:
        assert tx.claim(waiting[0].id, lease=timedelta(minutes=1)) is not None
    earlier.close()
    assert "no worker takes one" in epikrise("queue", "status").err


def test_bells_that_nobody_has_heard_stand_beside_the_stages_of_their_queue(
    epikrise: Operator, waiting: list[Step], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RedisServer(tmp_path / "redis") as url:
        monkeypatch.setenv("EPIKRISE_BROKER__URL", url)
        bell = CeleryBell(make_celery(url, queues=QUEUES))
        bell.ring(waiting)
        bell.close()
        rows = epikrise("queue", "status", "--json").data
    assert {(row["queue"], row["unheard"]) for row in rows} == {
        ("intake", 2), ("write", 0), ("check", 0), ("deliver", 0)
    }  # fmt: skip
