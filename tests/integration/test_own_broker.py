"""`serve` heals its own Redis."""

import shutil
import time
from pathlib import Path

import psutil
import redis
from redis.exceptions import RedisError

from service.bootstrap import broker_url
from service.cli.own_broker import broker_of
from service.config import load_settings


def test_a_killed_and_robbed_redis_is_started_again_on_the_same_address(tmp_path: Path) -> None:
    settings = load_settings(home=str(tmp_path))
    with broker_of(settings):
        url = broker_url(settings)
        (child,) = [each for each in psutil.Process().children() if "redis" in each.name()]
        shutil.rmtree(tmp_path / "redis" / "data")
        child.kill()
        assert answers_within(url, seconds=20)
        assert broker_url(settings) == url
    assert not [each for each in psutil.Process().children() if "redis" in each.name()]


def test_a_broker_that_the_settings_name_is_left_alone(tmp_path: Path) -> None:
    with broker_of(load_settings(home=str(tmp_path), broker={"url": "redis://127.0.0.1:1/0"})):
        assert not (tmp_path / "redis").exists()


def answers_within(url: str, *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with redis.Redis.from_url(url) as client:
                return bool(client.ping())
        except RedisError:
            time.sleep(0.05)
    return False
