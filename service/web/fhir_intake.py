"""FHIR in: a Bundle, or the notification of a Subscription (R4 rest-hook and R4 backport).

As with MLLP, the bytes are stored before the answer. An answer is an OperationOutcome.
"""

import asyncio
import hmac
import json
from collections.abc import Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.bootstrap import Installation
from service.chart.bundle import resources_of
from service.errors import EpikriseError, NotAllowed, UnusableInput
from service.intake import understand_encounter
from service.model import Event, Reading
from service.ports import Resource
from service.steps import file_reading
from service.web.pages import installation_of

_MOST_BYTES = 64 * 1024 * 1024
_FHIR_JSON = "application/fhir+json"


def routes() -> list[Route]:
    return [Route("/fhir", receive, methods=["POST"]), Route("/fhir/notify", receive, methods=["POST"])]


async def receive(request: Request) -> Response:
    """200 with an OperationOutcome that counts the visits understood; 400 names what is wrong; 401, 413."""
    installation = installation_of(request)
    try:
        _check_token(request, installation)
        body = await _body(request)
        visits = await asyncio.to_thread(keep_fhir, installation, body, request.url.path.endswith("/notify"))
    except NotAllowed as error:
        return _outcome("error", "login", str(error), status=401)
    except EpikriseError as error:
        status = 503 if error.exit_code == 3 else 400
        return _outcome("error", "invalid" if status == 400 else "transient", str(error), status=status)
    await asyncio.to_thread(installation.ring)
    return _outcome("information", "informational", f"{visits} visit(s) understood", status=200)


def _check_token(request: Request, installation: Installation) -> None:
    token = installation.settings.web.intake_token
    if token is None:
        return
    sent = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(sent.encode(), token.get_secret_value().encode()):
        raise NotAllowed("Authorization", remedy="Send the bearer token of web.intake_token.")


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise UnusableInput(f"body is over {_MOST_BYTES} bytes", remedy="Send smaller Bundles.")
    return bytes(body)


def keep_fhir(installation: Installation, body: bytes, is_notification: bool) -> int:
    """Store, understand, file; how many visits were understood.

    Raises:
        UnusableInput: the body is no Bundle, no resource, or names no visit. The bytes are kept.
        EhrUnavailable: a notification named a visit that could not be fetched; send it again.
    """
    try:
        resources = [] if is_notification and not body.strip() else resources_of(_parse(body))
        encounters = _encounters(installation, resources, is_notification)
        if not encounters and not is_notification:
            raise UnusableInput("Bundle.entry has no Encounter", remedy="Send the visit's Encounter with its chart.")
    except UnusableInput as error:
        _keep_refused(installation, body, error.code)
        raise
    named = is_notification and not any(resource.get("resourceType") == "Encounter" for resource in resources)
    for encounter in encounters:
        _file(installation, encounter, resources, json.dumps(encounter).encode() if named else body)
    return len(encounters)


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)  # unlike the standard library, no recursion error on deep nesting
    except orjson.JSONDecodeError as error:
        raise UnusableInput(
            f"body is not JSON (line {error.lineno}, column {error.colno})", remedy="Send FHIR R4 as JSON."
        ) from None


def _encounters(installation: Installation, resources: Sequence[Resource], is_notification: bool) -> list[Resource]:
    found = [resource for resource in resources if resource.get("resourceType") == "Encounter"]
    if found or not is_notification or installation.ehr is None:
        return found
    focus = [ref for resource in resources for ref in _references(resource) if ref.startswith("Encounter/")]
    if focus:
        return [installation.ehr.read(ref) for ref in dict.fromkeys(focus)]
    since = installation.started.strftime("ge%Y-%m-%dT%H:%M:%SZ")
    return list(installation.ehr.search("Encounter", (("_lastUpdated", since), ("status", "finished"))))


def _references(value: object) -> list[str]:
    """Every ``reference`` in a notification, wherever the server's version of it puts them."""
    if isinstance(value, dict):
        own = [value["reference"]] if isinstance(value.get("reference"), str) else []
        return own + [ref for member in value.values() for ref in _references(member)]
    if isinstance(value, list):
        return [ref for member in value for ref in _references(member)]
    return []


def _file(installation: Installation, encounter: Resource, resources: Sequence[Resource], body: bytes) -> None:
    world = installation.world
    reading: Reading = understand_encounter(
        encounter, _patient(encounter, resources), authorities=installation.fhir_authorities
    )
    with world.store.begin() as tx:
        message_id, is_new = tx.add_message(
            channel="fhir",
            sender="fhir",
            control_id=f"Encounter/{encounter.get('id', '')}",
            body=body,
            ack_code="200",
            state="understood",
        )
        if is_new and reading.case_key is not None and reading.event is not Event.IGNORED:
            file_reading(
                world,
                tx,
                message_id=message_id,
                key=reading.case_key,
                event=reading.event,
                event_time=reading.event_time,
                starts_letter=reading.starts_letter,
            )


def _patient(encounter: Resource, resources: Sequence[Resource]) -> Resource | None:
    subject = encounter.get("subject")
    wanted = subject.get("reference") if isinstance(subject, dict) else None
    patients = [resource for resource in resources if resource.get("resourceType") == "Patient"]
    return next(
        (p for p in patients if f"Patient/{p.get('id')}" == wanted), patients[0] if len(patients) == 1 else None
    )


def _keep_refused(installation: Installation, body: bytes, code: str) -> None:
    with installation.store.begin() as tx:
        tx.add_message(
            channel="fhir",
            sender="fhir",
            control_id="",
            body=body,
            ack_code="400",
            state="refused",
            error_code=code,
        )


def _outcome(severity: str, code: str, text: str, *, status: int) -> Response:
    body = {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": code, "diagnostics": text}]}
    return Response(json.dumps(body), status_code=status, media_type=_FHIR_JSON)
