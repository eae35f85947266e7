"""Durable intake for asyncio callers: many messages, one commit.

A commit costs one flush of the disk whatever it holds. One writer thread takes all messages that wait, keeps
them in one transaction, and only after its commit tells each caller; meanwhile the next group gathers. So
the disk's rate of flushes no longer bounds the rate of messages. Few senders never wait for company, many a little.
"""

import asyncio
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

from adapters.store.ringing import RingingThread
from service.errors import StoreUnavailable
from service.model import NewMessage, SealedMessage
from service.ports import Store

_GROUP: Final = 256  # messages in one transaction
_SMALL: Final = 64 * 1024  # bytes; sealing more would hold up other senders
_MANY: Final = 24  # messages; with fewer senders waiting gains nothing
_MOST: Final = 0.8  # of the expected; the last ones would keep all others waiting
_PATIENCE: Final = 0.5  # of what the last group took
_LONGEST_WAIT: Final = 0.01  # seconds
_GLANCE: Final = 0.0003  # seconds
_GROUP_BYTES: Final = 32 * 1024 * 1024  # a group closes beyond it: documents of 50 MB come nearly alone


def share_interpreter() -> None:
    """Have the threads of this process take turns every 0.3 ms instead of every 5: the writer, back from the disk,
    else waits for the receiving thread up to that long, several times a group. For processes that take messages."""
    sys.setswitchinterval(0.0003)


class Kept(NamedTuple):
    """``is_new`` is false for a repetition; ``message_id`` is then the first one's."""

    message_id: str
    is_new: bool


Told = Callable[[Kept | Exception], None]
"""What became of one message; called in the event loop."""


class _Waiting(NamedTuple):
    """One message that waits, and who is told."""

    message: NewMessage | SealedMessage
    told: Told


class GroupCommit:
    """``async with GroupCommit(store, after_commit=ring) as intake: await intake.keep(...)``.

    Belongs to the event loop it was started in. Leaving the block keeps what was handed in, then ends.
    ``after_commit`` gets the ids of the steps that new messages started, on a thread of its own, so that a slow broker
    never delays an acknowledgement; what it raises is dropped, for the sweeper finds the steps.
    """

    def __init__(
        self,
        store: Store,
        *,
        after_commit: Callable[[Sequence[str]], None] | None = None,
        seal: Callable[[NewMessage], SealedMessage] | None = None,
        capacity: int = 2048,
    ) -> None:
        """``capacity``: messages that the writer is given at a time; those beyond it wait outside, and each
        listening connection has one under way, so that its peer waits too. ``seal``: :meth:`SqlStore.seal`; small
        messages are then sealed in the event loop, for two threads of Python cost each other more than they gain."""
        self._seal = seal
        self._store = store
        self._ringing = RingingThread(after_commit) if after_commit is not None else None
        self._places = self._capacity = capacity
        self._idle = asyncio.Event()  # set when stopping and all have been told
        self._outside: deque[_Waiting] = deque()
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._expected, self._patience = 0.0, 0.0  # messages, seconds
        self._stopping = False
        self._writer = threading.Thread(target=self._write, name="group-commit", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> "GroupCommit":
        self._loop = asyncio.get_running_loop()
        self._writer.start()
        if self._ringing is not None:
            self._ringing.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        if self._places < self._capacity:
            await self._idle.wait()
        self._queue.put(None)
        await asyncio.to_thread(self._writer.join)
        if self._ringing is not None:
            await asyncio.to_thread(self._ringing.stop)

    @property
    def queued(self) -> int:
        """Messages that the writer has not taken yet."""
        return self._queue.qsize()

    def submit(self, message: NewMessage, told: Told) -> None:
        """Hand a message in; to be called in the event loop. ``told`` gets :class:`Kept` once it is on disk,
        and with it, for a new one with state ``stored``, its step ``read``; else StoreUnavailable, or
        UnusableInput for a value that the database refuses. Raises StoreUnavailable when stopping."""
        if self._stopping or self._loop is None:
            raise StoreUnavailable("intake is stopping", remedy="send the message again")
        sealed = self._seal(message) if self._seal is not None and len(message.body) <= _SMALL else message
        if self._places:
            self._places -= 1
            self._queue.put(_Waiting(sealed, told))
        else:
            self._outside.append(_Waiting(sealed, told))

    async def keep(self, message: NewMessage) -> Kept:
        """:meth:`submit`, awaited. A caller that is cancelled may find its message kept all the same."""
        future: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()

        def told(result: Kept | Exception) -> None:
            if future.done():  # its caller was cancelled
                return
            if isinstance(result, Kept):
                future.set_result(result)
            else:
                future.set_exception(result)

        self.submit(message, told)
        return await future

    def _write(self) -> None:
        while group := self._next_group():
            began = time.monotonic()
            results, steps = self._keep_group([waiting.message for waiting in group])
            # those who are told now will soon send their next message
            self._expected = min(self._queue.qsize() + len(group), _GROUP) * _MOST
            self._patience = min((time.monotonic() - began) * _PATIENCE, _LONGEST_WAIT)
            if self._ringing is not None:
                self._ringing.add(steps)
            assert self._loop is not None  # noqa: S101 - the thread starts with the loop
            try:
                self._loop.call_soon_threadsafe(self._tell, group, results)
            except RuntimeError:
                return  # the loop was closed without leaving the block: nobody waits any more

    def _next_group(self) -> list[_Waiting]:
        """All that waits, up to a group's size; empty when stopped and nothing is left."""
        first = self._queue.get()
        if first is None:
            return []
        self._gather()
        group, size = [first], len(first.message.body)
        try:
            while len(group) < _GROUP and size < _GROUP_BYTES:
                waiting = self._queue.get_nowait()
                if waiting is None:
                    self._queue.put(None)
                    break
                group.append(waiting)
                size += len(waiting.message.body)
        except Empty:
            pass
        return group

    def _gather(self) -> None:
        """Wait a little for most of the messages that many senders are about to send: a commit costs nearly the same
        for twice as many, and otherwise half of the senders always wait for the other half's."""
        if self._expected < _MANY:
            return
        ends = time.monotonic() + self._patience
        while self._queue.qsize() + 1 < self._expected and time.monotonic() < ends:
            time.sleep(_GLANCE)

    def _keep_group(self, group: Sequence[NewMessage | SealedMessage]) -> tuple[list[Kept | Exception], Sequence[str]]:
        try:
            with self._store.begin() as transaction:
                kept = [Kept(*added) for added in transaction.add_messages(group)]
                to_read = [
                    message_id
                    for (message_id, is_new), message in zip(kept, group, strict=True)
                    if is_new and message.state == "stored"
                ]
                steps = transaction.add_steps("read", "intake", to_read)
        except StoreUnavailable as error:
            return [error] * len(group), []
        except Exception as error:
            if len(group) == 1:
                return [error], []
            alone = [self._keep_group([message]) for message in group]
            return [one for results, _ in alone for one in results], [step for _, added in alone for step in added]
        return list(kept), steps

    def _tell(self, group: Sequence[_Waiting], results: Sequence[Kept | Exception]) -> None:
        for waiting, result in zip(group, results, strict=True):
            waiting.told(result)
        self._places += len(group)
        if self._stopping and self._places == self._capacity and not self._outside:
            self._idle.set()
        while self._places and self._outside:
            self._places -= 1
            self._queue.put(self._outside.popleft())
