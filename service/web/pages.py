"""Templates, the page's language, and errors as pages."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from service.bootstrap import Installation
from service.errors import (
    Conflict,
    EpikriseError,
    NotAllowed,
    NotFound,
    SignatureRefused,
    Unreachable,
)
from service.model import Lang
from service.web.texts import TEXTS

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_STATUS: tuple[tuple[type[EpikriseError], int], ...] = (
    (NotFound, 404),
    (Conflict, 409),
    (NotAllowed, 409),
    (SignatureRefused, 422),
    (Unreachable, 503),
)
_FORBIDDEN = ("access_refused", "form_refused")


def installation_of(request: Request) -> Installation:
    installation: Installation = request.app.state.installation
    return installation


def page_lang(request: Request) -> Lang:
    """The language of the page (not of the letter): ``?ui=``, then what the browser prefers."""
    asked = request.query_params.get("ui") or request.cookies.get("ui", "")
    if asked == "de":
        return "de"
    if asked == "en":
        return "en"
    for part in request.headers.get("accept-language", "de").split(","):
        tag = part.split(";")[0].strip().lower()
        if tag.startswith("de"):
            return "de"
        if tag.startswith("en"):
            return "en"
    return "de"


def render(request: Request, template: str, context: dict[str, Any], *, status: int = 200) -> Response:
    lang = page_lang(request)
    html = _ENVIRONMENT.get_template(template).render(ui=lang, t=TEXTS[lang], here=_here(request), **context)
    response = HTMLResponse(html, status_code=status)
    if request.query_params.get("ui") in ("de", "en"):
        response.set_cookie("ui", lang, samesite="strict", httponly=True)
    return response


def render_error(request: Request, error: EpikriseError, *, typed: str = "") -> Response:
    """A foreseen error as a page in the reader's words, or as JSON; ``typed`` is given back to who wrote it."""
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 400)
    return error_page(request, error.code, str(error), status=403 if error.code in _FORBIDDEN else status, typed=typed)


def error_page(request: Request, code: str, message: str, *, status: int, typed: str = "") -> Response:
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"error": code, "message": message}, status_code=status)
    words = TEXTS[page_lang(request)]
    explained = words.get(f"e_{code}", words["e_other"])
    case_id = request.path_params.get("case_id", "")
    back = f"/review/{case_id}" if case_id and status not in (403, 404) else ""
    context = {"explained": explained, "technical": message, "back": back, "typed": typed}
    return render(request, "error.html", context, status=status)


def _here(request: Request) -> str:
    """The address to load again in another language: a form's own address cannot be loaded."""
    case_id = request.path_params.get("case_id", "")
    return f"/review/{case_id}" if case_id and request.method != "GET" else request.url.path
