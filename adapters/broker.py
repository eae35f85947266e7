"""Celery on Redis, as a bell and nothing more.

A task carries a step's id; the store knows the rest. So whatever Redis loses, the sweeper rings again, and
whatever Redis delivers twice, the lease in the store lets through once. That decides the settings below.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from celery import Celery, Task
from celery.exceptions import QueueNotFound
from celery.worker.request import Request
from kombu import Connection, Queue
from kombu.exceptions import KombuError
from redis.exceptions import AuthenticationError, RedisError

from service.errors import BrokerUnavailable, WrongSetting
from service.model import Step

TASK = "epikrise.step"

WORKER_OPTIONS = ("--without-gossip", "--without-mingle", "--without-heartbeat")
"""For ``celery worker``: chatter between workers that nobody listens to here."""

_BELL_SECONDS = 0.9  # for connecting and for an answer; a ring takes at most the two together
_BELLS = 16  # threads that may ring at a time

_WORKER_TRANSPORT = {
    "visibility_timeout": 3600,  # s; past it Redis delivers again, which costs a refused claim
    "socket_connect_timeout": 5,
    "socket_timeout": 30,  # the default waits for ever on a connection that was cut without a word
    "socket_keepalive": True,
    "health_check_interval": 10,
}
_BELL_TRANSPORT = {"socket_connect_timeout": _BELL_SECONDS, "socket_timeout": _BELL_SECONDS, "max_retries": 0}


class _Heard(Request):
    """A bell in the worker. Where its end cannot be acknowledged, the connection is at fault, and the worker makes a
    new one.

    Celery knows connection errors by the tuple it gives here, logs them and goes on; but the bell then keeps its
    place among those prefetched, of which a worker with one thread has one, and it never asks for another.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{**options, "connection_errors": ()})


class _Listening(Task):
    Request = _Heard


def make_celery(url: str, *, queues: Sequence[str]) -> Celery:
    """An app that knows these queues and no others; the first is the default.

    Start workers with ``WORKER_OPTIONS`` and ``REMAP_SIGTERM=SIGQUIT`` in the environment, so that SIGTERM
    ends with the soft shutdown.
    """
    app = Celery("epikrise", broker=url, set_as_current=False, task_cls=_Listening)
    app.conf.update(
        # the payload is one id
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        result_backend=None,
        task_store_errors_even_if_ignored=False,
        # queues
        task_queues=[Queue(name, routing_key=name) for name in queues],
        task_default_queue=queues[0],
        task_create_missing_queues=False,  # a misspelt queue is an error, not work that nobody fetches
        # delivery: kept until done, one at a time
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        task_reject_on_worker_lost=False,  # a step that kills its worker would come back at once, for ever
        worker_cancel_long_running_tasks_on_connection_loss=False,  # the lease is in the store, not in Redis
        broker_transport_options=dict(_WORKER_TRANSPORT),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_soft_shutdown_timeout=20.0,
        # silence: logs are ours, nobody listens to events, nobody commands workers through Redis
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        task_send_sent_event=False,
        enable_utc=True,
        timezone="UTC",
    )
    return app


class CeleryBell:
    """``service.ports.Bell``. Share one between threads; a fork gets fresh connections by itself."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        # its own connections: a worker may wait 30 s for Redis, a ring must not
        self._connections = app.connection_for_write(transport_options=_BELL_TRANSPORT).Pool(limit=_BELLS)

    def ring(self, steps: Sequence[Step]) -> None:
        """Raises BrokerUnavailable within two seconds, whatever ails the broker; WrongSetting for a queue the
        app does not know."""
        if not steps:
            return
        with self._connection() as connection, connection.Producer(auto_declare=False) as producer:
            for step in steps:
                self._app.send_task(
                    TASK, args=[step.id], queue=step.queue, producer=producer, retry=False, ignore_result=True
                )

    def check(self) -> None:
        """Raises BrokerUnavailable."""
        with self._connection() as connection:
            connection.default_channel.client.ping()

    def unheard(self, queues: Sequence[str]) -> Mapping[str, int]:
        """Bells that no worker has heard yet, by queue. Raises BrokerUnavailable."""
        with self._connection() as connection:
            pipeline = connection.default_channel.client.pipeline(transaction=False)
            for queue in queues:
                pipeline.llen(queue)
            return dict(zip(queues, pipeline.execute(), strict=True))

    def close(self) -> None:
        self._connections.force_close_all()

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        connection: Connection | None = None
        try:
            connection = self._connections.acquire(block=True, timeout=_BELL_SECONDS)
            yield connection
        except QueueNotFound as error:
            raise WrongSetting(str(error), remedy="name the queue in make_celery") from None
        except (KombuError, RedisError, OSError) as error:
            cause = error.__cause__ or error  # kombu wraps what redis-py raised
            # not their text: it can hold the address and with it the password
            remedy = "check user and password of the broker" if isinstance(cause, AuthenticationError) else ""
            raise BrokerUnavailable(type(cause).__name__, remedy=remedy) from None
        finally:
            if connection is not None:
                connection.release()
