"""The review page: letter left, evidence right, findings as a checklist, signature at the end.

Works as plain forms; the script only adds keys. An address carries a signed launch token, which becomes
a cookie for that one case; every form carries a second token, so that no other site can send it.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from service import signoff
from service.errors import NotAllowed, UnusableInput
from service.signoff import Desk
from service.web.desk_view import desk_view
from service.web.evidence import read_source
from service.web.pages import installation_of, page_lang, render

Handler = Callable[[Request], Awaitable[Response]]
_COOKIE = "launch"


def routes() -> list[Route]:
    base = "/review/{case_id}"
    return [
        Route(base, page, methods=["GET"]),
        Route(base + "/source", source, methods=["GET"]),
        Route(base + "/section/{section:int}", edit, methods=["POST"]),
        Route(base + "/rewrite", rewrite, methods=["POST"]),
        Route(base + "/finding/{key}", decide, methods=["POST"]),
        Route(base + "/fix/{key}", fix, methods=["POST"]),
        Route(base + "/sign", sign, methods=["POST"]),
        Route(base + "/discard", discard, methods=["POST"]),
    ]


def _for_reviewers(handler: Handler) -> Handler:
    """Only with this case's launch token; a form also with its own."""

    @wraps(handler)
    async def guarded(request: Request) -> Response:
        case_id = request.path_params["case_id"]
        addresses = installation_of(request).addresses
        token = request.query_params.get("launch") or request.cookies.get(_COOKIE, "")
        if not addresses.is_valid(case_id, token):
            raise NotAllowed("this address does not open the case", remedy="Open it from the EHR's inbox.")
        if request.method == "POST":
            sent = str((await request.form()).get("form_token", ""))
            if not hmac.compare_digest(sent, _form_token(token)):
                raise NotAllowed("the form is not ours or too old", remedy="Load the page again.")
        response = await handler(request)
        response.set_cookie(_COOKIE, token, path=f"/review/{case_id}", httponly=True, samesite="lax")
        return response

    return guarded


def _form_token(launch: str) -> str:
    return hashlib.sha256(f"form:{launch}".encode()).hexdigest()[:40]


@_for_reviewers
async def page(request: Request) -> Response:
    case_id = request.path_params["case_id"]
    installation = installation_of(request)
    token = request.query_params.get("launch")
    if token:
        return RedirectResponse(f"/review/{case_id}", status_code=303)  # the token leaves the address bar
    desk = await asyncio.to_thread(signoff.open_desk, installation.world, case_id)
    await asyncio.to_thread(_note_opening, request, case_id)
    return _show(request, desk)


def _note_opening(request: Request, case_id: str) -> None:
    with installation_of(request).store.begin() as tx:
        tx.audit("reviewer", "opened", case_id=case_id)


def _show(request: Request, desk: Desk, *, refusal: str = "", status: int = 200) -> Response:
    launch = request.cookies.get(_COOKIE, "")
    context: dict[str, Any] = {
        **desk_view(desk, page_lang(request)),
        "form_token": _form_token(launch),
        "refusal": refusal,
        "reviewer": desk.review.reviewer,
    }
    return render(request, "review.html", context, status=status)


@_for_reviewers
async def source(request: Request) -> Response:
    """One source, readable: the message's segment or the resource."""
    case_id = request.path_params["case_id"]
    ref = request.query_params.get("ref", "")
    found = await asyncio.to_thread(read_source, installation_of(request), case_id, ref)
    return render(request, "source.html", {"ref": ref, "lines": found, "back": f"/review/{case_id}"})


@_for_reviewers
async def edit(request: Request) -> Response:
    form = await request.form()
    return await _change(
        request,
        lambda: signoff.edit_section(
            installation_of(request).world,
            request.path_params["case_id"],
            revision=_revision(form),
            section=request.path_params["section"],
            text=str(form.get("text", "")),
            by=_reviewer(form),
        ),
        anchor=f"section-{request.path_params['section']}",
    )


@_for_reviewers
async def rewrite(request: Request) -> Response:
    form = await request.form()
    return await _change(
        request,
        lambda: signoff.rewrite(
            installation_of(request).world,
            request.path_params["case_id"],
            revision=_revision(form),
            text=str(form.get("text", "")),
            by=_reviewer(form),
        ),
    )


@_for_reviewers
async def decide(request: Request) -> Response:
    form = await request.form()
    action = str(form.get("action", ""))
    if action not in ("accepted", "dismissed"):
        raise UnusableInput("action", remedy="Accept or dismiss the finding.")
    return await _change(
        request,
        lambda: signoff.decide(
            installation_of(request).world,
            request.path_params["case_id"],
            revision=_revision(form),
            key=request.path_params["key"],
            action="accepted" if action == "accepted" else "dismissed",
            reason=str(form.get("reason", "")),
            by=_reviewer(form),
        ),
        anchor="findings",
    )


@_for_reviewers
async def fix(request: Request) -> Response:
    form = await request.form()
    return await _change(
        request,
        lambda: signoff.take_chart_value(
            installation_of(request).world,
            request.path_params["case_id"],
            revision=_revision(form),
            key=request.path_params["key"],
            by=_reviewer(form),
        ),
        anchor="findings",
    )


@_for_reviewers
async def sign(request: Request) -> Response:
    form = await request.form()
    if form.get("attest") != "yes":
        raise UnusableInput("attest", remedy="Confirm that you have read this text.")
    return await _change(
        request,
        lambda: signoff.sign(
            installation_of(request).world,
            request.path_params["case_id"],
            revision=_revision(form),
            digest=str(form.get("digest", "")),
            signer=str(form.get("signer", "")),
        ),
        anchor="signed",
    )


@_for_reviewers
async def discard(request: Request) -> Response:
    form = await request.form()
    return await _change(
        request,
        lambda: signoff.discard(
            installation_of(request).world,
            request.path_params["case_id"],
            revision=_revision(form),
            by=_reviewer(form),
        ),
    )


async def _change(request: Request, change: Callable[[], object], *, anchor: str = "") -> Response:
    """Do it, ring for what it started, and show the page anew."""
    installation = installation_of(request)
    await asyncio.to_thread(change)
    await asyncio.to_thread(installation.ring)
    target = f"/review/{request.path_params['case_id']}"
    return RedirectResponse(f"{target}#{anchor}" if anchor else target, status_code=303)


def _revision(form: FormData) -> int:
    try:
        return int(str(form.get("revision", "")))
    except ValueError:
        raise UnusableInput("revision", remedy="Load the page again.") from None


def _reviewer(form: FormData) -> str:
    return str(form.get("by", "")).strip() or "reviewer"
