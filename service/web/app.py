"""The web application: routes, guard, errors."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from service.bootstrap import Installation
from service.errors import EpikriseError
from service.web import draft_request, fhir_intake, health, messages, operations, review
from service.web.guard import Guard
from service.web.operator import Throttle
from service.web.pages import error_page, render_error

STATIC = Path(__file__).parent / "static"


def create_app(installation: Installation) -> Starlette:
    """The ASGI application of one installation."""
    app = Starlette(
        routes=[
            Route("/", _to_operations),
            *health.routes(),
            *operations.routes(),
            *messages.routes(),
            *review.routes(),
            *draft_request.routes(),
            *fhir_intake.routes(),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Guard, failed=_failed)],
        exception_handlers={EpikriseError: _explain, HTTPException: _no_page},
    )
    app.state.installation = installation
    app.state.throttle = Throttle(clock=installation.world.clock)
    return app


async def _to_operations(_: Request) -> Response:
    return RedirectResponse("/operations")


async def _explain(request: Request, error: Exception) -> Response:
    if not isinstance(error, EpikriseError):
        raise error
    return render_error(request, error)


async def _no_page(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return error_page(request, "no_page", f"HTTP {status}", status=status)


async def _failed(request: Request) -> Response:
    return error_page(request, "unexpected", "unexpected", status=500)
