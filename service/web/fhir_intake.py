"""FHIR in: a Bundle, a message, or the notification of a Subscription (R4 rest-hook and R4 backport).

As with MLLP, the bytes are stored before the answer. An answer is an OperationOutcome, or a message Bundle.
"""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.fhir.auth import load_client_keys, public_jwks
from service.bootstrap import Installation
from service.chart.bundle import resources_of
from service.errors import EhrRefused, EpikriseError, StoreUnavailable, UnusableElement, UnusableInput
from service.following import Followed, course_visits, take_notification
from service.intake.fhir_message import Answer, MessageHeader, message_header, operation_outcome, response_to
from service.intake.notification import read_notification
from service.intake.posted import Fault, Kind, faults_in
from service.visits import SENDER, file_visit, visits_in
from service.web.fhir_answers import fhir, login, may_send, outcome
from service.web.pages import installation_of

MOST_BYTES = 64 * 1024 * 1024


def routes() -> list[Route]:
    return [
        Route("/fhir/jwks.json", jwks, methods=["GET"]),
        Route("/fhir", receive, methods=["POST"]),
        Route("/fhir/$process-message", receive, methods=["POST"]),
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
    """200 with an OperationOutcome that counts the visits understood, and warns; 400 names what is wrong; 401, 413;
    502 where the EHR refuses what a notification names; 503 where it is to be sent again.

    A message Bundle is answered in its own form, with the same status (messaging.html).
    """
    installation = installation_of(request)
    if not may_send(request, installation):
        return login()
    body = await _body(request)
    if body is None:
        return outcome("too-long", f"the body is over {MOST_BYTES} bytes: send smaller Bundles", status=413)
    is_notification = request.url.path.startswith("/fhir/notify")
    header: MessageHeader | None = None
    try:
        document = await asyncio.to_thread(_document, installation, body, may_be_empty=is_notification)
        header = message_header(document)
        taken = await asyncio.to_thread(
            keep_fhir, installation, document, body, header=header, is_notification=is_notification
        )
    except UnusableElement as error:
        at_fault = Answer(code=error.issue, text=str(error), status=400, expression=error.expression)
        return _answered(header, at_fault)
    except UnusableInput as error:
        return _answered(header, Answer(code="invalid", text=str(error), status=400))
    except EhrRefused as error:
        return _answered(header, Answer(code="processing", text=str(error), status=502))
    except EpikriseError as error:
        return _answered(header, Answer(code="transient", text=str(error), status=503))
    with contextlib.suppress(StoreUnavailable):  # it is kept: the sweeper rings
        await asyncio.to_thread(installation.ring)
    told = Answer(
        code="informational", text=f"{taken.visits} visit(s) understood", status=200, warnings=tuple(taken.warnings)
    )
    return _answered(header, told)


def keep_fhir(
    installation: Installation, document: Any, body: bytes, *, header: MessageHeader | None, is_notification: bool
) -> Followed:
    """Store, understand, file; how many visits were understood.

    Raises:
        UnusableElement: an entry is none, or a visit's status or id; of a notification only what is no FHIR.
        UnusableInput: the body is no Bundle, no resource, or names no visit. The bytes are kept.
        EhrRefused: the EHR does not give out what a notification names. The bytes are kept.
        EhrUnavailable, WrongSetting: what a notification names cannot be fetched now; send it again.
        StoreUnavailable: nothing was kept; send it again.
    """
    try:
        faults = list(faults_in(document))
        if is_notification and header is None:
            return _take_told(installation, document, body, faults)
        if faults:
            raise faults[0].as_error()
        return _take_posted(installation, document, body, header)
    except (UnusableInput, EhrRefused) as error:
        _keep_refused(installation, body, error.code)
        raise


def _take_told(installation: Installation, document: Any, body: bytes, faults: Sequence[Fault]) -> Followed:
    """A notification of FHIR is never refused for what is in it: a server that gets errors gives its Subscription up."""
    for fault in faults:
        if fault.kind is Kind.FORM:
            raise fault.as_error()
    warned = Followed()
    for fault in faults:
        warned.warn(f"{fault.expression} {fault.detail}")
    if any(fault.kind is Kind.IDENTITY for fault in faults):
        # not filed, and its event number not counted: what it tells of is read from the EHR like a lost one
        _keep_refused(installation, body, UnusableInput.code)
        return warned
    overlap = timedelta(seconds=installation.settings.ehr.poll_overlap_seconds)
    told = take_notification(installation.world, installation.ehr, document, body, overlap=overlap)
    if told.is_unread:
        _keep_refused(installation, body, EhrRefused.code)
    told.warnings += warned.warnings
    return told


def _take_posted(installation: Installation, document: Any, body: bytes, header: MessageHeader | None) -> Followed:
    resources = resources_of(document)
    event = None if header is None else header.event
    visits = visits_in(resources, body, event=event) or course_visits(
        installation.ehr, resources, installation.world.rules.local
    )
    if not visits and (told := read_notification(document)).kind:
        raise UnusableInput(
            f"this is the {told.kind} of a Subscription",
            remedy="Send it to /fhir/notify: make that address the Subscription's endpoint.",
        )
    if not visits:
        raise UnusableInput("Bundle.entry has no Encounter", remedy="Send the visit's Encounter with its chart.")
    for visit in visits:
        file_visit(installation.world, visit if header is None else replace(visit, sender=header.sender))
    return Followed(visits=len(visits))


def _document(installation: Installation, body: bytes, *, may_be_empty: bool) -> Any:
    if may_be_empty and not body.strip():
        return None
    try:
        return orjson.loads(body)  # unlike the standard library, no recursion error on deep nesting
    except orjson.JSONDecodeError as error:
        fault = UnusableInput(
            f"body is not JSON (line {error.lineno}, column {error.colno})", remedy="Send FHIR R4 as JSON."
        )
    _keep_refused(installation, body, fault.code)
    raise fault


def _keep_refused(installation: Installation, body: bytes, code: str) -> None:
    if not body:
        return
    with installation.world.store.begin() as tx:
        tx.add_message(
            channel="fhir", sender=SENDER, control_id="", body=body, ack_code=None, state="refused", error_code=code
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


def _answered(header: MessageHeader | None, answer: Answer) -> Response:
    body = operation_outcome(answer) if header is None else response_to(header, answer, now=datetime.now(UTC))
    return fhir(body, status=answer.status)
