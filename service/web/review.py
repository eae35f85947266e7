"""The review page: letter left, evidence right, findings as a checklist, signature at the end.

Works as plain forms; the script only adds keys and shows a source without leaving the page.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from service import signoff
from service.errors import Conflict, SignatureRefused, UnusableInput
from service.model import StepState
from service.signoff import Desk
from service.web.access import for_reviewers, form_token, launch_token
from service.web.desk_view import desk_view
from service.web.fields import full_label
from service.web.pages import installation_of, page_lang, render, render_error
from service.web.source import read_source
from service.world import World

_WHO = "reviewer"  # the launch token names a case, not a person; the signer gives a name
_ACTIONS: dict[str, Literal["accepted", "dismissed"]] = {"accepted": "accepted", "dismissed": "dismissed"}

Change = Callable[[World, str, int], object]


def routes() -> list[Route]:
    base = "/review/{case_id}"
    return [
        Route(base, page, methods=["GET"]),
        Route(base + "/source/{handle}", source, methods=["GET"]),
        Route(base + "/section/{section:int}", edit, methods=["POST"]),
        Route(base + "/rewrite", rewrite, methods=["POST"]),
        Route(base + "/finding/{key}", decide, methods=["POST"]),
        Route(base + "/fix/{key}", fix, methods=["POST"]),
        Route(base + "/sign", sign, methods=["POST"]),
        Route(base + "/discard", discard, methods=["POST"]),
        Route(base + "/{rest:path}", back_to_page, methods=["GET"]),
    ]


@for_reviewers
async def page(request: Request) -> Response:
    case_id = request.path_params["case_id"]
    if "launch" in request.query_params:
        return RedirectResponse(f"/review/{case_id}", status_code=303)  # the token leaves the address bar
    desk, sent = await asyncio.to_thread(_open, request, case_id)
    return _show(request, desk, sent=sent)


@for_reviewers
async def back_to_page(request: Request) -> Response:
    """Where a form was sent to and the browser comes back with GET."""
    return RedirectResponse(f"/review/{request.path_params['case_id']}", status_code=303)


@for_reviewers
async def source(request: Request) -> Response:
    """One fact's source, readable; with ``?part=1`` for the script, without a page around it."""
    case_id, handle = request.path_params["case_id"], request.path_params["handle"]
    fact, lang, found = await asyncio.to_thread(read_source, installation_of(request), case_id, handle)
    part = request.query_params.get("part") == "1"
    return render(
        request,
        "source_body.html" if part else "source.html",
        {
            "label": full_label(handle, page_lang(request)),
            "value": fact.display.in_("de" if lang == "de" else "en"),
            "letter_lang": lang,
            "sources": found,
            "back": f"/review/{case_id}#fact-{handle.replace('.', '-')}",
        },
    )


@for_reviewers
async def edit(request: Request) -> Response:
    section, text = request.path_params["section"], await _field(request, "text")
    return await _change(
        request,
        lambda world, case_id, revision: signoff.edit_section(
            world, case_id, revision=revision, section=section, text=text, by=_WHO
        ),
        anchor=f"section-{section}",
        typed=text,
    )


@for_reviewers
async def rewrite(request: Request) -> Response:
    text = await _field(request, "text")
    if not text.strip():
        raise UnusableInput("text is empty", remedy="Write your letter, or discard the draft.")
    return await _change(
        request,
        lambda world, case_id, revision: signoff.rewrite(world, case_id, revision=revision, text=text, by=_WHO),
        anchor="letter",
        typed=text,
    )


@for_reviewers
async def decide(request: Request) -> Response:
    key, reason = request.path_params["key"], await _field(request, "reason")
    action = _ACTIONS.get(await _field(request, "action"))
    if action is None:
        raise UnusableInput("action", remedy="Accept or dismiss the finding.")
    return await _change(
        request,
        lambda world, case_id, revision: signoff.decide(
            world, case_id, revision=revision, key=key, action=action, reason=reason, by=_WHO
        ),
        anchor=f"finding-{key}",
    )


@for_reviewers
async def fix(request: Request) -> Response:
    key = request.path_params["key"]
    section = await _field(request, "section")
    return await _change(
        request,
        lambda world, case_id, revision: signoff.take_chart_value(world, case_id, revision=revision, key=key, by=_WHO),
        anchor=f"section-{int(section)}" if section.isdecimal() else "letter",
    )


@for_reviewers
async def sign(request: Request) -> Response:
    form = await request.form()
    digest, signer = str(form.get("digest", "")), str(form.get("signer", ""))
    attested = form.get("attest") == "yes"

    def change(world: World, case_id: str, revision: int) -> object:
        if not attested:
            raise SignatureRefused("attest", remedy="Confirm that you have read this text.")
        return signoff.sign(world, case_id, revision=revision, digest=digest, signer=signer)

    try:
        return await _change(request, change)
    except SignatureRefused as refusal:
        desk, sent = await asyncio.to_thread(_open, request, request.path_params["case_id"])
        return _show(request, desk, sent=sent, refusal=str(refusal), signer=signer, status=422)


@for_reviewers
async def discard(request: Request) -> Response:
    return await _change(
        request,
        lambda world, case_id, revision: signoff.discard(world, case_id, revision=revision, by=_WHO),
    )


def _open(request: Request, case_id: str) -> tuple[Desk, str]:
    """The desk, and how far the signed document is: ``arrived``, ``refused`` or ``sending``.

    The case's delivery state does not say it: right after the signature it is still the draft's.
    """
    installation = installation_of(request)
    desk = signoff.open_desk(installation.world, case_id)
    with installation.store.begin() as tx:
        tx.audit(_WHO, "opened", case_id=case_id)
        final = [step.state for step in tx.steps_of(case_id) if step.name == "finalize"]
    if StepState.DONE in final:
        return desk, "arrived"
    return desk, "refused" if StepState.DEAD in final else "sending"


def _show(
    request: Request, desk: Desk, *, sent: str, refusal: str = "", signer: str = "", status: int = 200
) -> Response:
    if refusal and "text/html" not in request.headers.get("accept", ""):
        raise SignatureRefused(refusal)
    context: dict[str, Any] = {
        **desk_view(desk, page_lang(request)),
        "base": f"/review/{desk.case.id}",
        "form_token": form_token(launch_token(request)),
        "sent": sent,
        "refusal": refusal,
        "signer": signer,
    }
    return render(request, "review.html", context, status=status)


async def _field(request: Request, name: str) -> str:
    return str((await request.form()).get(name, ""))


async def _change(request: Request, change: Change, *, anchor: str = "", typed: str = "") -> Response:
    """Do it, ring for what it started, and show the page anew."""
    installation, case_id = installation_of(request), request.path_params["case_id"]
    revision = await _field(request, "revision")
    if not revision.isdecimal():
        raise UnusableInput("revision", remedy="Load the page again.")
    try:
        await asyncio.to_thread(change, installation.world, case_id, int(revision))
    except Conflict as conflict:
        return render_error(request, conflict, typed=typed)
    await asyncio.to_thread(installation.ring)
    target = f"/review/{case_id}"
    return RedirectResponse(f"{target}#{anchor}" if anchor else target, status_code=303)
