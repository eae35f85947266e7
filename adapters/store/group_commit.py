"""Durable intake for asyncio callers: many messages, one commit.

A commit costs one flush of the disk whatever it holds. One writer thread takes all messages that wait, keeps
them in one transaction, and only after its commit tells each caller; meanwhile the next group gathers. So
nobody waits for company, and the disk's rate of flushes no longer bounds the rate of messages.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters.store.ringing import RingingThread
from service.errors import StoreUnavailable
from service.model import Step
from service.ports import Store, Transaction

_GROUP = 256  # messages in one transaction
_GROUP_BYTES = 32 * 1024 * 1024  # a group closes beyond it: documents of 50 MB come nearly alone


@dataclass(frozen=True, kw_only=True)
class Kept:
    """``is_new`` is false for a repetition; ``message_id`` is then the first one's."""

    message_id: str
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class _Waiting:
    """One message that waits, and where its caller is told."""

    channel: str
    sender: str
    control_id: str
    body: bytes
    ack_code: str | None
    state: str
    error_code: str | None
    told: asyncio.Future[Kept]


class GroupCommit:
    """``async with GroupCommit(store, after_commit=ring) as intake: await intake.keep(...)``.

    Belongs to the event loop it was started in. Leaving the block keeps what was handed in, then ends.
    ``after_commit`` gets the steps that new messages started, on a thread of its own, so that a slow broker
    never delays an acknowledgement; what it raises is dropped, for the sweeper finds the steps.
    """

    def __init__(
        self, store: Store, *, after_commit: Callable[[Sequence[Step]], None] | None = None, capacity: int = 2048
    ) -> None:
        """``capacity``: messages that may wait at a time; beyond it ``keep`` itself waits, and so does its peer."""
        self._store = store
        self._ringing = RingingThread(after_commit) if after_commit is not None else None
        self._places = asyncio.Semaphore(capacity)
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
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
        with self._changed:
            self._stopping = True
            self._changed.notify()
        await asyncio.to_thread(self._writer.join)
        if self._ringing is not None:
            await asyncio.to_thread(self._ringing.stop)

    async def keep(
        self,
        *,
        channel: str,
        sender: str,
        control_id: str,
        body: bytes,
        ack_code: str | None,
        state: str = "stored",
        error_code: str | None = None,
    ) -> Kept:
        """Returns once the message is on disk, and with it, for a new one with state ``stored``, its step
        ``read``. Raises StoreUnavailable, and UnusableInput for a value that the database refuses. A caller
        that is cancelled may find its message kept all the same."""
        await self._places.acquire()
        told: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(
            channel=channel,
            sender=sender,
            control_id=control_id,
            body=body,
            ack_code=ack_code,
            state=state,
            error_code=error_code,
            told=told,
        )
        with self._changed:
            if self._stopping or self._loop is None:
                self._places.release()
                raise StoreUnavailable("intake is stopping", remedy="send the message again")
            self._queue.append(waiting)
            self._changed.notify()
        return await told

    def _write(self) -> None:
        while group := self._next_group():
            results, steps = self._keep_group(group)
            if self._ringing is not None:
                self._ringing.add(steps)
            self._answer(group, results)

    def _next_group(self) -> list[_Waiting]:
        """All that waits, up to a group's size; empty when stopped and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping)
            group: list[_Waiting] = []
            size = 0
            while self._queue and len(group) < _GROUP and size < _GROUP_BYTES:
                group.append(self._queue.popleft())
                size += len(group[-1].body)
            return group

    def _keep_group(self, group: Sequence[_Waiting]) -> tuple[list[Kept | Exception], list[Step]]:
        results: list[Kept | Exception] = []
        steps: list[Step] = []
        try:
            with self._store.begin() as transaction:
                for waiting in group:
                    kept, step = _keep(transaction, waiting)
                    results.append(kept)
                    steps += [step] if step is not None else []
        except StoreUnavailable as error:
            return [error] * len(group), []
        except Exception as error:
            if len(group) == 1:
                return [error], []
            alone = [self._keep_group([waiting]) for waiting in group]
            return [one for kept, _ in alone for one in kept], [step for _, added in alone for step in added]
        return results, steps

    def _answer(self, group: Sequence[_Waiting], results: Sequence[Kept | Exception]) -> None:
        def tell() -> None:
            for waiting, result in zip(group, results, strict=True):
                self._places.release()
                if waiting.told.done():  # its caller was cancelled
                    continue
                if isinstance(result, Kept):
                    waiting.told.set_result(result)
                else:
                    waiting.told.set_exception(result)

        assert self._loop is not None  # noqa: S101 - the thread starts with the loop
        try:
            self._loop.call_soon_threadsafe(tell)
        except RuntimeError:
            return  # the loop was closed without leaving the block: nobody waits any more


def _keep(transaction: Transaction, waiting: _Waiting) -> tuple[Kept, Step | None]:
    message_id, is_new = transaction.add_message(
        channel=waiting.channel,
        sender=waiting.sender,
        control_id=waiting.control_id,
        body=waiting.body,
        ack_code=waiting.ack_code,
        state=waiting.state,
        error_code=waiting.error_code,
    )
    to_read = is_new and waiting.state == "stored"
    step = transaction.add_step("read", "intake", subject=message_id) if to_read else None
    return Kept(message_id=message_id, is_new=is_new), step
