"""A Redis of our own, where the settings name none, kept alive as long as `serve` lives."""

import contextlib
import logging
import threading
from collections.abc import Iterator

from adapters.redis_server import RedisServer
from service.bootstrap import leave_broker_url
from service.config import Settings
from service.errors import BrokerUnavailable

_log = logging.getLogger(__name__)
_LOOK_EVERY = 0.5  # s


@contextlib.contextmanager
def broker_of(settings: Settings) -> Iterator[None]:
    """The broker that the settings name, or a Redis of our own that is started again whenever it ends.

    Raises:
        BrokerUnavailable: it cannot be started.
    """
    if settings.broker.url is not None:
        yield
        return
    directory = settings.home / "redis"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    redis = RedisServer(directory)
    try:
        leave_broker_url(settings, redis.start())
        with _kept_alive(redis):
            yield
    finally:
        redis.stop()


@contextlib.contextmanager
def _kept_alive(redis: RedisServer) -> Iterator[None]:
    """Workers find it again because its address stays; what it has lost, the sweeper rings for again."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOK_EVERY):
            if redis.pid is not None:
                continue
            _log.error("broker_ended")
            try:
                redis.restart()
            except BrokerUnavailable as error:  # its port or folder may be free again in a moment
                _log.error("broker_not_started", extra={"error": error.code})
            else:
                _log.warning("broker_started_again", extra={"pid": redis.pid})

    thread = threading.Thread(target=watch, name="broker-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
