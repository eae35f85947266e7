"""A real store and a real Redis to which nobody listens: what lies in the broker stays little."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from journey_world import Journey
from store_fixtures import Clock

from adapters.broker import CeleryBell, make_celery
from adapters.redis_server import RedisServer
from service.pipeline import BELLS_UNHEARD, QUEUES, relay
from service.world import Rules, World

WAITING = 3000
STEPS = (("chart", "intake"), ("write", "write"))


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as opened:
        opened.flushall()
        yield opened


@pytest.fixture
def world(redis_url: str, client: redis.Redis, journey: Journey) -> Iterator[World]:
    bell = CeleryBell(make_celery(redis_url, queues=QUEUES))
    yield World(store=journey.store, bell=bell, reader=journey.world.reader, clock=journey.clock, rules=Rules())
    bell.close()


def test_however_long_steps_wait_their_bells_do_not_pile_up(world: World, client: redis.Redis, clock: Clock) -> None:
    with world.store.begin() as tx:
        tx.add_steps("read", "intake", [f"r{number}" for number in range(WAITING)])
    for _ in range(20):
        relay(world)
        clock.advance(seconds=20)
    assert 0 < client.llen("intake") <= 500


def test_a_flood_of_reads_keeps_neither_other_queues_nor_a_chart_waiting(
    world: World, client: redis.Redis, clock: Clock
) -> None:
    with world.store.begin() as tx:
        tx.add_steps("read", "intake", [f"r{number}" for number in range(WAITING)])
    relay(world)
    clock.advance(seconds=1)
    with world.store.begin() as tx:
        case = tx.add_case("KLINIK|1", lang="de")
        chart, letter = (tx.add_step(name, queue, case_id=case.id, generation=1) for name, queue in STEPS)
    relay(world)
    assert heard(client, "write") == [letter.id]
    # within the bells of one queue's fill
    found = []
    for _ in range(BELLS_UNHEARD + BELLS_UNHEARD // 2):
        found += heard(client, "intake", 1)
        relay(world)
    assert chart.id in found
    # none was rung twice, for each was heard in time
    assert len(set(found)) == len(found)


def test_every_step_is_heard_in_the_end_oldest_first(world: World, client: redis.Redis) -> None:
    with world.store.begin() as tx:
        ids = list(tx.add_steps("read", "intake", [f"r{number}" for number in range(WAITING // 3)]))
    found = []
    while relay(world):
        found += heard(client, "intake")
    assert found == ids


def heard(client: redis.Redis, queue: str, most: int = WAITING) -> list[str]:
    """Take bells as a worker does, from the right; the steps they name."""
    bells: Any = client.rpop(queue, most) or []
    return [json.loads(base64.b64decode(json.loads(bell)["body"]))[0][0] for bell in bells]
