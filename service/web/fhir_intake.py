"""FHIR in: a Bundle, or the notification of a Subscription (R4 rest-hook and R4 backport).

As with MLLP, the bytes are stored before the answer. An answer is an OperationOutcome.
"""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.fhir.auth import load_client_keys, public_jwks
from adapters.fhir.client import FhirClient
from service.bootstrap import Installation
from service.chart.bundle import resources_of
from service.errors import EhrRefused, EpikriseError, StoreUnavailable, UnusableInput, WrongSetting
from service.intake import read_notification, understand_encounter
from service.model import Event
from service.occasion import fhir_occasion
from service.ports import Resource
from service.steps import decide_start, file_reading
from service.web.fhir_answers import login, may_send, outcome
from service.web.pages import installation_of

MOST_BYTES = 64 * 1024 * 1024
_LOOK_BACK = timedelta(hours=1)
"""Before our start: hooks are lost while we restart, and clocks differ. What is known is not filed twice."""


def routes() -> list[Route]:
    return [
        Route("/fhir/jwks.json", jwks, methods=["GET"]),
        Route("/fhir", receive, methods=["POST"]),
        Route("/fhir/notify", receive, methods=["POST"]),
        # HAPI puts the resource of a rest-hook with payload under the endpoint, as if it were a FHIR server
        Route("/fhir/notify/{resource:path}", receive, methods=["POST", "PUT"]),
    ]


async def jwks(request: Request) -> Response:
    """Our public keys (RFC 7517), for the EHR's authorization server; 404 where we have none."""
    file = installation_of(request).settings.ehr.client_key
    if file is None:
        return outcome("not-found", "ehr.client_key is not set", status=404)
    keys = await asyncio.to_thread(load_client_keys, file)
    return Response(json.dumps(public_jwks(keys)), media_type="application/jwk-set+json")


async def receive(request: Request) -> Response:
    """200 with an OperationOutcome that counts the visits understood; 400 names what is wrong; 401, 413;
    502 where the EHR refuses what a notification names; 503 where it is to be sent again."""
    installation = installation_of(request)
    if not may_send(request, installation):
        return login()
    body = await _body(request)
    if body is None:
        return outcome("too-long", f"the body is over {MOST_BYTES} bytes: send smaller Bundles", status=413)
    is_notification = request.url.path.startswith("/fhir/notify")
    try:
        visits = await asyncio.to_thread(keep_fhir, installation, body, is_notification=is_notification)
    except UnusableInput as error:
        return outcome("invalid", str(error), status=400)
    except EhrRefused as error:
        return outcome("processing", str(error), status=502)
    except EpikriseError as error:
        return outcome("transient", str(error), status=503)
    with contextlib.suppress(StoreUnavailable):  # it is kept: the sweeper rings
        await asyncio.to_thread(installation.ring)
    return outcome("informational", f"{visits} visit(s) understood", status=200)


def keep_fhir(installation: Installation, body: bytes, *, is_notification: bool) -> int:
    """Store, understand, file; how many visits were understood.

    Raises:
        UnusableInput: the body is no Bundle, no resource, or names no visit. The bytes are kept.
        EhrRefused: the EHR does not give out what a notification names. The bytes are kept.
        EhrUnavailable, WrongSetting: what a notification names cannot be fetched now; send it again.
        StoreUnavailable: nothing was kept; send it again.
    """
    try:
        visits = _notified(installation, body) if is_notification else _posted(resources_of(_parse(body)), body)
    except (UnusableInput, EhrRefused) as error:
        _keep_refused(installation, body, error.code)
        raise
    for visit in visits:
        _file(installation, visit)
    return len(visits)


@dataclass(frozen=True, kw_only=True)
class _Visit:
    """``body``: what is kept for its case. ``is_news``: it is about the visit itself, not about something in it."""

    encounter: Resource
    patient: Resource | None
    body: bytes
    is_news: bool = True


def _posted(resources: Sequence[Resource], body: bytes) -> list[_Visit]:
    visits = [
        _Visit(encounter=each, patient=_patient(each, resources), body=body)
        for each in resources
        if each["resourceType"] == "Encounter"
    ]
    if not visits:
        raise UnusableInput("Bundle.entry has no Encounter", remedy="Send the visit's Encounter with its chart.")
    return visits


def _notified(installation: Installation, body: bytes) -> list[_Visit]:
    document = _parse(body) if body.strip() else None
    resources = [] if document is None else resources_of(document)
    if any(each["resourceType"] == "Encounter" for each in resources):
        return _posted(resources, body)
    told = read_notification(document)
    if told.is_quiet or (told.names_something and not told.encounters):
        return []
    if installation.ehr is None:
        raise WrongSetting("ehr.fhir_url is not set", remedy="Name the EHR that sends these notifications.")
    encounters = [installation.ehr.read(each) for each in told.encounters]
    return [
        _Visit(
            encounter=each,
            patient=_patient(each, resources),
            body=body if resources else orjson.dumps(each),
            is_news=not resources,
        )
        for each in encounters or _ended_since(installation, installation.ehr)
    ]


def _ended_since(installation: Installation, ehr: FhirClient) -> list[Resource]:
    """What a notification may mean that names nothing."""
    since = (installation.started - _LOOK_BACK).strftime("ge%Y-%m-%dT%H:%M:%SZ")
    ended = "finished,cancelled,entered-in-error"
    return ehr.search("Encounter", (("_lastUpdated", since), ("status", ended)))


def _file(installation: Installation, visit: _Visit) -> None:
    reading = understand_encounter(visit.encounter, visit.patient, authorities=installation.world.rules.authorities)
    if not visit.is_news:
        reading = replace(reading, event=Event.RESULT, starts_letter=False)
    occasion = fhir_occasion(visit.encounter, _resources_in(visit.body))
    with installation.world.store.begin() as tx:
        message_id, is_new = tx.add_message(
            channel="fhir",
            sender="fhir",
            control_id=f"Encounter/{visit.encounter.get('id', '')}"[:199],
            body=visit.body,
            ack_code=None,
            state="understood",
        )
        if is_new and reading.case_key is not None:
            file_reading(
                installation.world,
                tx,
                message_id=message_id,
                key=reading.case_key,
                event=reading.event,
                event_time=reading.event_time,
                start=decide_start(installation.world, tx, reading, occasion),
            )


def _resources_in(body: bytes) -> list[Resource]:
    return resources_of(_parse(body)) if body.strip() else []


def _keep_refused(installation: Installation, body: bytes, code: str) -> None:
    if not body:
        return
    with installation.world.store.begin() as tx:
        tx.add_message(
            channel="fhir", sender="fhir", control_id="", body=body, ack_code=None, state="refused", error_code=code
        )


def _patient(encounter: Resource, resources: Sequence[Resource]) -> Resource | None:
    subject = encounter.get("subject")
    wanted = subject.get("reference") if isinstance(subject, dict) else None
    patients = [resource for resource in resources if resource["resourceType"] == "Patient"]
    return next(
        (each for each in patients if f"Patient/{each['id']}" == wanted), patients[0] if len(patients) == 1 else None
    )


# ---------------------------------------------------------------- HTTP


async def _body(request: Request) -> bytes | None:
    """None for one over the limit, which is not read to its end."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)  # unlike the standard library, no recursion error on deep nesting
    except orjson.JSONDecodeError as error:
        raise UnusableInput(
            f"body is not JSON (line {error.lineno}, column {error.colno})", remedy="Send FHIR R4 as JSON."
        ) from None
