"""Templates, languages, and the right to open one case."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from service.bootstrap import Installation
from service.model import Lang
from service.web.texts import TEXTS

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


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
    html = _ENVIRONMENT.get_template(template).render(ui=lang, t=TEXTS[lang], path=request.url.path, **context)
    response = HTMLResponse(html, status_code=status)
    if request.query_params.get("ui") in ("de", "en"):
        response.set_cookie("ui", lang, samesite="strict", httponly=True)
    return response
