"""The thread of `epikrise serve` that follows the EHR: keeps our Subscription, polls, catches up."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from adapters.fhir.subscription import SubscriptionKeeper, Wish
from service.bootstrap import Installation
from service.config import Settings
from service.errors import EhrUnavailable, EpikriseError, WrongSetting
from service.following import catch_up, catch_up_with
from service.subscriptions import OurSubscription, keep_subscription, our_subscription

log = logging.getLogger(__name__)

CHECK_SECONDS = 60.0
"""Between two looks at our Subscription."""
LONGEST_PAUSE = 600.0
ACTIVE = "active"
REMOVED = "removed"
UNKNOWN = "unknown"


def keeper_of(installation: Installation) -> SubscriptionKeeper:
    """Raises WrongSetting where no EHR or no kind of Subscription is set."""
    if installation.ehr is None:
        raise WrongSetting("ehr.fhir_url is not set", remedy="Name the EHR's FHIR address.")
    return SubscriptionKeeper(installation.ehr, wish_of(installation.settings))


def wish_of(settings: Settings) -> Wish:
    """Raises WrongSetting where ehr.subscribe is off."""
    ehr, token = settings.ehr, settings.web.intake_token
    if ehr.subscribe == "off":
        raise WrongSetting("ehr.subscribe is off", remedy="Set it to classic or backport.")
    return Wish(
        kind=ehr.subscribe,
        endpoint=f"{settings.public_url}/fhir/notify",
        criteria=ehr.criteria,
        topic=ehr.topic or "",
        token="" if token is None else token.get_secret_value(),
    )


class Follower:
    """Runs where ehr.subscribe or ehr.poll_seconds asks for it; else ``start`` does nothing.

    A failure never ends it: it is logged by its code, kept as the Subscription's health, and the next round tries
    again, after what the EHR asked to wait (Retry-After, at most ten minutes).
    """

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    @property
    def is_wanted(self) -> bool:
        ehr = self._installation.settings.ehr
        return self._installation.ehr is not None and (ehr.subscribe != "off" or ehr.poll_seconds > 0)

    def start(self) -> None:
        if self.is_wanted:
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        ehr = self._installation.settings.ehr
        works: list[tuple[float, Callable[[], object]]] = []
        if ehr.subscribe != "off":
            works.append((CHECK_SECONDS, self.keep_subscription))
        if ehr.poll_seconds > 0:
            works.append((ehr.poll_seconds, self.poll))
        waits = [0.0 for _ in works]
        while not self._stopping.wait(pause := max(0.0, min(waits))):
            waits = [wait - pause for wait in waits]
            for index, (every, work) in enumerate(works):
                if waits[index] <= 0:
                    waits[index] = max(every, self._try(work))

    def _try(self, work: Callable[[], object]) -> float:
        """Seconds that the EHR wants to be left alone."""
        try:
            work()
        except EhrUnavailable as error:
            log.warning("following_failed", extra={"code": error.code})
            return min(error.retry_after or 0.0, LONGEST_PAUSE)
        except EpikriseError as error:
            log.warning("following_failed", extra={"code": error.code})
        except Exception as error:
            # class only: the text of a foreign exception may quote a chart. The thread must not end over it
            log.error("following_unexpected", extra={"error": type(error).__name__})  # noqa: TRY400 - no traceback: it quotes
        return 0.0

    def poll(self) -> int:
        """What changed since the last time; how many visits were filed."""
        installation = self._installation
        if installation.ehr is None:
            return 0
        found = catch_up(installation.world, installation.ehr, overlap=self._overlap)
        if found:
            installation.ring()
        return found

    def keep_subscription(self) -> OurSubscription:
        """It lives, and nothing that it told was missed. One that an operator removed stays removed."""
        installation = self._installation
        with installation.store.begin() as tx:
            known = our_subscription(tx)
        if known.state == REMOVED or installation.ehr is None:
            return known
        keeper = keeper_of(installation)
        now = installation.world.clock()
        try:
            kept = keeper.keep(now)
            told = keeper.ask(kept.reference) if installation.settings.ehr.subscribe == "backport" else None
        except EpikriseError as error:
            failed = OurSubscription(reference=known.reference, state=UNKNOWN, error=error.code, at=now.isoformat())
            self._remember(failed)
            raise
        events = None if told is None else told.since_start
        kept = replace(kept, events=events)
        # "active" is kept only after what came before it was read: a poll that fails is due again the next time
        is_back = kept.state == ACTIVE != known.state
        self._remember(replace(kept, state=UNKNOWN) if is_back else kept)
        if told is not None and told.subscription == kept.reference:
            followed = catch_up_with(installation.world, installation.ehr, told, overlap=self._overlap)
            if followed.visits:
                installation.ring()
        # while it was not active nothing was counted; and a classic one never counts what it tells
        if told is None or (known.state, kept.state) != (ACTIVE, ACTIVE):
            self.poll()
        if is_back:
            self._remember(kept)
        return kept

    def _remember(self, known: OurSubscription) -> None:
        """Unless an operator removed it while the EHR was asked."""
        with self._installation.store.begin() as tx:
            if our_subscription(tx).state != REMOVED:
                keep_subscription(tx, known)

    @property
    def _overlap(self) -> timedelta:
        return timedelta(seconds=self._installation.settings.ehr.poll_overlap_seconds)
