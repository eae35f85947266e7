"""The message browser: what came in, what it was told, what it meant, and, for those allowed, what it says.

Lists and timelines show ids, codes and times. Content is the answer to a form, never to an address: it cannot
be bookmarked, and every sight of it is an entry of its own in the audit trail.
"""

import asyncio
import contextlib
import re
from typing import Any, Final

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from service.browsing import CHANNELS, STATES, read_filter
from service.disclosure import open_message
from service.errors import EpikriseError, NotFound, StoreUnavailable, UnusableInput
from service.model import Event
from service.rereading import Replayed, replay_messages
from service.web import operator
from service.web.message_content import Content, read_content
from service.web.message_view import judge_of, query_string, take_list, take_message
from service.web.operator import OperatorNeeded, TokenRefused, TooManyTries
from service.web.pages import error_page, installation_of, render

_ASKED: Final = ("control_id", "state", "event", "channel", "case_id", "since", "until")
_ID: Final = re.compile(r"[0-9a-f]{32}")
_FORMS: Final = ("login", "logout", "replay")


def routes() -> list[Route]:
    return [
        Route("/messages", listing, methods=["GET"]),
        Route("/messages/login", log_in, methods=["POST"]),
        Route("/messages/logout", log_out, methods=["POST"]),
        Route("/messages/replay", replay, methods=["POST"]),
        Route("/messages/{message_id}", page, methods=["GET"]),
        Route("/messages/{message_id}/content", content, methods=["POST"]),
        Route("/messages/{message_id}/content", back_to_page, methods=["GET"]),
    ]


async def listing(request: Request) -> Response:
    return await _show_list(request)


async def page(request: Request) -> Response:
    message_id = request.path_params["message_id"]
    if message_id in _FORMS:  # where a form was sent to and the browser comes back with GET
        return RedirectResponse("/messages", status_code=303)
    return await _show_message(request, message_id)


async def back_to_page(request: Request) -> Response:
    return RedirectResponse(f"/messages/{request.path_params['message_id']}", status_code=303)


async def log_in(request: Request) -> Response:
    await operator.check_form(request)
    form = await request.form()
    message_id = _text(form, "message_id")
    is_for_one = _ID.fullmatch(message_id) is not None
    try:
        who = await asyncio.to_thread(
            operator.log_in, request, name=_text(form, "name"), token=_text(form, "content_token")
        )
    except (TokenRefused, TooManyTries, OperatorNeeded, UnusableInput) as error:
        status = 429 if isinstance(error, TooManyTries) else 403
        if is_for_one:
            return await _show_message(request, message_id, refused=error.code, status=status)
        return await _show_list(request, refused=error.code, status=status)
    to = f"/messages/{message_id}#content" if is_for_one else "/messages"
    response = RedirectResponse(to, status_code=303)
    operator.remember(request, response, who)
    return response


async def log_out(request: Request) -> Response:
    await operator.check_form(request)
    response = RedirectResponse("/messages", status_code=303)
    operator.forget(response)
    return response


async def content(request: Request) -> Response:
    """The page with what the message says, once the opening is on record."""
    await operator.check_form(request)
    message_id = request.path_params["message_id"]
    who = operator.operator_of(request)
    if who is None:
        return await _show_message(request, message_id, refused=OperatorNeeded.code, status=403)
    try:
        stored = await asyncio.to_thread(open_message, installation_of(request).store, message_id, actor=who.name)
    except NotFound as error:
        return _no_message(request, error)
    return await _show_message(request, message_id, opened=await asyncio.to_thread(read_content, stored))


async def replay(request: Request) -> Response:
    await operator.check_form(request)
    who = operator.operator_of(request)
    if who is None:
        return await _show_list(request, refused=OperatorNeeded.code, status=403)
    form = await request.form()
    ids = [each for each in form.getlist("message_id") if isinstance(each, str) and _ID.fullmatch(each)]
    if not ids:
        return await _show_list(request, refused="nothing_chosen", status=400)
    outcomes = await asyncio.to_thread(_replay, request, ids, who.name)
    return _render(request, "messages_replayed.html", {"outcomes": outcomes})


def _replay(request: Request, ids: list[str], actor: str) -> list[Replayed]:
    installation = installation_of(request)
    with installation.store.begin() as tx:
        outcomes = replay_messages(tx, ids, by=judge_of(installation), actor=actor)
    with contextlib.suppress(StoreUnavailable):  # the steps are kept: the sweeper rings
        installation.ring()
    return outcomes


async def _show_list(request: Request, *, refused: str = "", status: int = 200) -> Response:
    asked = {name: request.query_params.get(name, "").strip() for name in _ASKED}
    before, after = (request.query_params.get(name, "") for name in ("before", "after"))
    try:
        wanted = read_filter(**asked)
    except UnusableInput as error:
        return error_page(request, error.code, str(error), status=400)
    seen = await asyncio.to_thread(take_list, installation_of(request), wanted, before=before, after=after)
    context = {
        "seen": seen,
        "asked": asked,
        "is_filtered": any(asked.values()),
        "states": STATES,
        "channels": CHANNELS,
        "events": [event.value for event in Event],
        "newer": query_string(asked, after=seen.newer) if seen.newer else "",
        "older": query_string(asked, before=seen.older) if seen.older else "",
        "begins": query_string(asked, control_id=f"{wanted.control_id}*") if wanted.control_id else "",
        "refused": refused,
    }
    return _render(request, "messages.html", context, status=status)


async def _show_message(
    request: Request, message_id: str, *, refused: str = "", status: int = 200, opened: Content | None = None
) -> Response:
    try:
        seen = await asyncio.to_thread(take_message, installation_of(request), message_id)
    except NotFound as error:
        return _no_message(request, error)
    return _render(request, "message.html", {"seen": seen, "refused": refused, "opened": opened}, status=status)


def _no_message(request: Request, error: EpikriseError) -> Response:
    return error_page(request, "no_message", str(error), status=404)


def _render(request: Request, template: str, context: dict[str, Any], *, status: int = 200) -> Response:
    """With what every page needs whose forms an operator sends."""
    seed = operator.form_seed(request)
    who = operator.operator_of(request)
    shared = {
        "form_token": operator.form_token(request, seed),
        "operator": who,
        "may_anyone": operator.may_anyone(installation_of(request)),
    }
    response = render(request, template, {**shared, **context}, status=status)
    operator.keep_seed(request, response, seed)
    return response


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""
