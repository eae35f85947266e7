"""Who may open which case, and which forms are ours.

An address from the EHR carries a signed launch token, which becomes a cookie for that one case; every
form carries a second token derived from it, so that no other site can send one.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.requests import Request
from starlette.responses import Response

from service.errors import EpikriseError
from service.web.pages import installation_of

Handler = Callable[[Request], Awaitable[Response]]
_COOKIE = "launch"


class AccessRefused(EpikriseError):
    """This address does not open the case."""

    code = "access_refused"


class FormRefused(EpikriseError):
    """The form is not ours, or too old."""

    code = "form_refused"


def for_reviewers(handler: Handler) -> Handler:
    """Only with this case's launch token; a form also with its own.

    Raises (inside the handler): AccessRefused, FormRefused.
    """

    @wraps(handler)
    async def guarded(request: Request) -> Response:
        case_id = request.path_params["case_id"]
        installation = installation_of(request)
        token = launch_token(request)
        if not installation.addresses.is_valid(case_id, token):
            raise AccessRefused(remedy="Open it from the EHR's inbox.")
        if request.method == "POST":
            sent = str((await request.form()).get("form_token", ""))
            if not hmac.compare_digest(sent.encode(), form_token(token).encode()):
                raise FormRefused(remedy="Load the page again.")
        response = await handler(request)
        response.set_cookie(
            _COOKIE,
            token,
            path=f"/review/{case_id}",
            httponly=True,
            samesite="lax",  # the EHR's inbox is another site, and its link must open the page
            secure=installation.settings.public_url.startswith("https:"),
        )
        return response

    return guarded


def launch_token(request: Request) -> str:
    return request.query_params.get("launch") or request.cookies.get(_COOKIE, "")


def form_token(launch: str) -> str:
    return hashlib.sha256(f"form:{launch}".encode()).hexdigest()[:40]
