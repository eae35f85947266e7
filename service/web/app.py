"""The web application: routes, headers, errors."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from service.bootstrap import Installation
from service.errors import Conflict, EpikriseError, NotAllowed, NotFound, SignatureRefused, StoreUnavailable
from service.web import fhir_intake, health, operations, review
from service.web.pages import render

STATIC = Path(__file__).parent / "static"

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # a launch address must not reach another site
    "Cache-Control": "no-store",
}
_STATUS: tuple[tuple[type[EpikriseError], int], ...] = (
    (NotFound, 404),
    (Conflict, 409),
    (NotAllowed, 409),
    (SignatureRefused, 422),
    (StoreUnavailable, 503),
)


def create_app(installation: Installation) -> Starlette:
    """The ASGI application of one installation."""
    app = Starlette(
        routes=[
            Route("/", lambda _: RedirectResponse("/operations")),
            *health.routes(),
            *operations.routes(),
            *review.routes(),
            *fhir_intake.routes(),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=_add_headers)],
        exception_handlers={EpikriseError: _explain},
    )
    app.state.installation = installation
    return app


async def _add_headers(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


async def _explain(request: Request, error: Exception) -> Response:
    """Every foreseen error as a page or as JSON, with what to do next."""
    if not isinstance(error, EpikriseError):
        raise error
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 400)
    if "text/html" in request.headers.get("accept", ""):
        return render(request, "error.html", {"message": str(error), "status": status}, status=status)
    return JSONResponse({"error": error.code, "message": str(error)}, status_code=status)
