"""What the message pages show, gathered from the store. No PHI: a body is judged here, never shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from service.bootstrap import Installation
from service.browsing import MessagePage, by_hour, first_hour, look_at
from service.model import ListedMessage, MessageFilter
from service.rereading import Judge

PAGE: Final = 50
_COUNTED: Final = ("stored", "understood", "refused")
_HEIGHT, _STRIDE, _WIDTH = 100, 30, 22


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One hour of the picture, in its own units: 100 high, 30 wide."""

    hour: datetime
    received: int
    refused: int
    x: int
    taken_y: float
    taken_height: float
    refused_y: float
    refused_height: float


@dataclass(frozen=True, kw_only=True)
class MessageList:
    """One page. ``older``, ``newer``: ids to go on from, empty where there is nothing more."""

    rows: Sequence[ListedMessage]
    older: str
    newer: str
    bars: Sequence[Bar]
    most: int
    counts: dict[str, int]
    at: datetime


def take_list(installation: Installation, wanted: MessageFilter, *, before: str, after: str) -> MessageList:
    now = installation.world.clock()
    with installation.store.read() as tx:
        rows = list(
            tx.list_messages(wanted, limit=PAGE + 1, before=before or None, after=None if before else after or None)
        )
        counted = tx.count_messages(since=first_hour(now))
    came_back = bool(after) and not before
    has_more = len(rows) > PAGE
    rows = (rows[1:] if came_back else rows[:PAGE]) if has_more else rows
    has_older, has_newer = (True, has_more) if came_back else (has_more, bool(before))
    counts = {state: sum(each.number for each in counted if each.state == state) for state in _COUNTED}
    bars = _bars(by_hour(counted, now))
    return MessageList(
        rows=rows,
        older=rows[-1].id if rows and has_older else "",
        newer=rows[0].id if rows and has_newer else "",
        bars=bars,
        most=max(bar.received for bar in bars),
        counts=counts,
        at=now,
    )


def take_message(installation: Installation, message_id: str) -> MessagePage:
    """Raises NotFound."""
    with installation.store.read() as tx:
        return look_at(tx, message_id, by=judge_of(installation))


def judge_of(installation: Installation) -> Judge:
    rules = installation.world.rules
    return Judge(reader=installation.world.reader, authorities=rules.authorities, local=rules.local)


def query_string(asked: dict[str, str], **more: str) -> str:
    """The list's address with the same filter; empty fields are left out."""
    kept = {name: value for name, value in {**asked, **more}.items() if value}
    return f"/messages?{urlencode(kept)}" if kept else "/messages"


def _bars(hours: Sequence[tuple[datetime, int, int]]) -> list[Bar]:
    most = max(1, *(received for _, received, _ in hours))
    bars = []
    for number, (hour, received, refused) in enumerate(hours):
        whole, bad = _HEIGHT * received / most, _HEIGHT * refused / most
        if refused:
            bad = max(bad, 2.0)  # one refused message among thousands is seen
        bars.append(
            Bar(
                hour=hour,
                received=received,
                refused=refused,
                x=number * _STRIDE + (_STRIDE - _WIDTH) // 2,
                taken_y=round(_HEIGHT - whole, 1),
                taken_height=round(max(0.0, whole - bad), 1),
                refused_y=round(_HEIGHT - bad, 1),
                refused_height=round(bad, 1),
            )
        )
    return bars
