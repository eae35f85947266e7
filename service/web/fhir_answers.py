"""What every FHIR address of ours shares: who may send, and answers as OperationOutcome."""

import hmac
import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from service.bootstrap import Installation

FHIR_JSON = "application/fhir+json"


def may_send(request: Request, installation: Installation) -> bool:
    """The bearer token of ``web.intake_token``, where one is set."""
    token = installation.settings.web.intake_token
    if token is None:
        return True
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(sent.encode(), token.get_secret_value().encode())


def login() -> Response:
    """401: who may not send."""
    text = "Authorization: send the bearer token of web.intake_token"
    return outcome("login", text, status=401, headers={"WWW-Authenticate": "Bearer"})


def outcome(code: str, text: str, *, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """``code``: http://hl7.org/fhir/issue-type."""
    severity = "information" if status == 200 else "error"
    issue = {"severity": severity, "code": code, "diagnostics": text}
    return fhir({"resourceType": "OperationOutcome", "issue": [issue]}, status=status, headers=headers)


def fhir(resource: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(resource), status_code=status, media_type=FHIR_JSON, headers=headers)
