"""Who may see what messages say: a person with the institution's content token, by name, for 15 minutes.

The token opens a session in a signed cookie that bears the name which then stands in the audit trail. Every
form carries a second token, derived from a cookie that no script reads, so that no other site can send one.
"""

import base64
import hmac
import logging
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from service.bootstrap import Installation
from service.disclosure import check_actor
from service.errors import EpikriseError
from service.web.access import FormRefused
from service.web.pages import installation_of

SESSION: Final = timedelta(minutes=15)
PATH: Final = "/messages"
_COOKIE: Final = "operator"
_FORM_COOKIE: Final = "operator_form"

_log = logging.getLogger(__name__)


class OperatorNeeded(EpikriseError):
    """This needs an operator who has logged in."""

    code = "operator_needed"


class TokenRefused(EpikriseError):
    """The content token does not fit."""

    code = "token_refused"


class TooManyTries(EpikriseError):
    """Too many wrong tokens; nobody can log in from there for a while."""

    code = "too_many_tries"


@dataclass(frozen=True, kw_only=True)
class Operator:
    """A logged-in person; ``until`` in UTC."""

    name: str
    until: datetime


class Throttle:
    """Counts failures by place: after ``most`` within ``window`` a place is shut until the oldest is that old.

    ``most_places`` bounds its memory: beyond it, all new places count as one.
    """

    def __init__(
        self, *, clock: Callable[[], datetime], most: int = 5, window: timedelta = timedelta(minutes=5)
    ) -> None:
        self._clock = clock
        self._most = most
        self._window = window
        self._failures: dict[str, deque[datetime]] = {}
        self._most_places = 1000

    def is_shut(self, place: str) -> bool:
        self._forget_old()
        return len(self._failures.get(self._counted_as(place), ())) >= self._most

    def note_failure(self, place: str) -> None:
        self._failures.setdefault(self._counted_as(place), deque()).append(self._clock())

    def _counted_as(self, place: str) -> str:
        return place if place in self._failures or len(self._failures) < self._most_places else "elsewhere"

    def _forget_old(self) -> None:
        oldest = self._clock() - self._window
        for place in list(self._failures):
            # another thread may forget the same place, or add to it
            kept = deque(at for at in tuple(self._failures.get(place, ())) if at > oldest)
            if kept:
                self._failures[place] = kept
            else:
                self._failures.pop(place, None)


def may_anyone(installation: Installation) -> bool:
    """Whether a content token is set; without one nobody can log in."""
    return installation.settings.web.content_token is not None


def operator_of(request: Request) -> Operator | None:
    """Who is logged in, by the session cookie; None where nobody is, or no longer."""
    installation = installation_of(request)
    name_part, _, rest = request.cookies.get(_COOKIE, "").partition(".")
    until_part, _, mac = rest.partition(".")
    if not may_anyone(installation) or not until_part.isdecimal() or len(until_part) > 12:
        return None
    if not hmac.compare_digest(_mac(installation, name_part, until_part).encode(), mac.encode()):
        return None
    until = datetime.fromtimestamp(int(until_part), UTC)
    if until <= _now(installation):
        return None
    name = base64.urlsafe_b64decode(name_part.encode()).decode()
    return Operator(name=name, until=until)


def log_in(request: Request, *, name: str, token: str) -> Operator:
    """Check the token; audited, both ways. The answer still needs :func:`remember`.

    Raises:
        OperatorNeeded: no token is set, so nobody may.
        TooManyTries, TokenRefused; UnusableInput for a name that is none.
    """
    installation = installation_of(request)
    wanted = installation.settings.web.content_token
    if wanted is None:
        raise OperatorNeeded("web.content_token is not set", remedy="Without it nobody may see content.")
    throttle: Throttle = request.app.state.throttle
    place = request.client.host if request.client else "unknown"
    if throttle.is_shut(place):
        raise TooManyTries(remedy="Wait five minutes.")
    if not hmac.compare_digest(token.encode(), wanted.get_secret_value().encode()):
        throttle.note_failure(place)
        _log.warning("operator_refused")
        with installation.store.begin() as tx:
            # not the name that was given: somebody may have typed the token there
            tx.audit("unknown", "operator_refused")
        raise TokenRefused(remedy="Look it up where your secrets are kept.")
    who = check_actor(name)
    with installation.store.begin() as tx:
        tx.audit(who, "operator_logged_in")
    return Operator(name=who, until=_now(installation) + SESSION)


def remember(request: Request, response: Response, operator: Operator) -> None:
    """Put the session into the answer's cookie."""
    installation = installation_of(request)
    name = base64.urlsafe_b64encode(operator.name.encode()).decode()
    until = str(int(operator.until.timestamp()))
    value = f"{name}.{until}.{_mac(installation, name, until)}"
    _set_cookie(request, response, _COOKIE, value, seconds=int(SESSION.total_seconds()))


def forget(response: Response) -> None:
    response.delete_cookie(_COOKIE, path=PATH, httponly=True, samesite="strict")


def form_seed(request: Request) -> str:
    """What this browser's form tokens are made of; a new one where it has none."""
    seed = request.cookies.get(_FORM_COOKIE, "")
    return seed if len(seed) == 32 and seed.isalnum() else secrets.token_hex(16)


def form_token(request: Request, seed: str) -> str:
    return installation_of(request).keyring.lookup(seed, purpose="operator form")[:40]


def keep_seed(request: Request, response: Response, seed: str) -> None:
    _set_cookie(request, response, _FORM_COOKIE, seed, seconds=None)


async def check_form(request: Request) -> None:
    """Raises FormRefused unless the form came from a page of ours in this browser."""
    sent = str((await request.form()).get("form_token", ""))
    seed = request.cookies.get(_FORM_COOKIE, "")
    if not seed or not hmac.compare_digest(sent.encode(), form_token(request, seed).encode()):
        raise FormRefused(remedy="Load the page again.")


def _now(installation: Installation) -> datetime:
    return installation.world.clock()


def _mac(installation: Installation, name: str, until: str) -> str:
    """Bound to the token: a new one ends every session."""
    token = installation.settings.web.content_token
    bound = installation.keyring.lookup(token.get_secret_value() if token else "", purpose="content token")
    return installation.keyring.lookup(f"{name}|{until}|{bound}", purpose="operator session")


def _set_cookie(request: Request, response: Response, key: str, value: str, *, seconds: int | None) -> None:
    response.set_cookie(
        key,
        value,
        max_age=seconds,
        path=PATH,
        httponly=True,
        samesite="strict",
        secure=installation_of(request).settings.public_url.startswith("https:"),
    )
