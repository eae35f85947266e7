"""What a step may use: the ports, and the rules that an institution sets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from service.model import ChartMapping, Lang
from service.ports import Bell, ChartSource, Inbox, MessageReader, Store, Writer
from service.starting import BY_DEFAULT, Rule

BERLIN = ZoneInfo("Europe/Berlin")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Institution's choices that the journey depends on.

    ``lease``: how long a claimed step may go without a sign of life before another worker takes it.
    ``retry_base``/``retry_most``: first and longest wait after a transient error; it doubles between.
    ``unexpected_attempts``: after so many unforeseen errors, or workers lost, a step is dead.
    ``review_url``: case id to the address that opens its review.
    ``starts``: what starts a letter, first match first.
    ``local``: the hospital's zone, of times without an offset.
    ``mapping``: the institution's own codes; None: the shipped example.
    """

    lang: Lang = "de"
    authorities: Mapping[str, str] = field(default_factory=dict)
    local: tzinfo = BERLIN
    lease: timedelta = timedelta(seconds=60)
    retry_base: timedelta = timedelta(seconds=2)
    retry_most: timedelta = timedelta(minutes=5)
    unexpected_attempts: int = 4
    ring_again: timedelta = timedelta(seconds=15)
    review_url: Callable[[str], str] = "/review/{}".format
    starts: Sequence[Rule] = BY_DEFAULT
    mapping: ChartMapping | None = None


@dataclass(frozen=True, kw_only=True)
class World:
    """The ports, wired. ``chart_source``, ``inbox`` and ``writer`` are None where a process lacks them."""

    store: Store
    bell: Bell
    reader: MessageReader
    clock: Callable[[], datetime]
    rules: Rules
    chart_source: ChartSource | None = None
    inbox: Inbox | None = None
    writer: Writer | None = None
