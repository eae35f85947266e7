"""The EHR's button: POST /fhir/$draft-letter begins a draft of a visit now (FHIR R4 operation, Parameters in and out)."""

import asyncio
import contextlib
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.fhir.client import FhirClient, escaped
from service.bootstrap import Installation
from service.errors import EhrRefused, EpikriseError, NotAllowed, NotFound, StoreUnavailable, UnusableInput
from service.filing import find_case
from service.following import read_visit
from service.intake import understand_encounter
from service.intake.identity import visit_key
from service.intake.resource import member, members, text
from service.model import Case, LetterKind
from service.on_demand import request_draft
from service.ports import Resource
from service.visits import Visit, file_visit
from service.web.fhir_answers import fhir, login, may_send, outcome
from service.web.pages import installation_of

_MOST_BYTES = 64 * 1024
_REMEDY = "Send Parameters with encounter (Reference) or visit (Identifier with system and value), and requester."


def routes() -> list[Route]:
    return [Route("/fhir/$draft-letter", draft_letter, methods=["POST"])]


async def draft_letter(request: Request) -> Response:
    """Parameters in: ``encounter`` (valueReference ``Encounter/7``, or with an identifier) or ``visit``
    (valueIdentifier), ``requester`` (valueReference with display, or valueString), optionally ``letter`` (valueCode).

    200 with Parameters: ``case``, ``state``, ``review``, the address to open. Else an OperationOutcome: 400, 401; 404
    where neither we nor the EHR know the visit; 409 where the case forbids it; 502, 503 of the EHR or the store.
    """
    installation = installation_of(request)
    if not may_send(request, installation):
        return login()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            return outcome("too-long", f"the body is over {_MOST_BYTES} bytes", status=413)
    try:
        case = await asyncio.to_thread(begin_draft, installation, bytes(body))
    except EpikriseError as error:
        code, status = _answer_to(error)
        return outcome(code, str(error), status=status)
    with contextlib.suppress(StoreUnavailable):  # it is kept: the sweeper rings
        await asyncio.to_thread(installation.ring)
    told = [
        {"name": "case", "valueString": case.id},
        {"name": "state", "valueCode": case.state.value},
        {"name": "review", "valueUrl": installation.addresses.review(case.id)},
    ]
    return fhir({"resourceType": "Parameters", "parameter": told})


def begin_draft(installation: Installation, body: bytes) -> Case:
    """The draft that the body asks for; a visit that we do not know is fetched from the EHR, and its case made.

    Raises:
        UnusableInput: the body says not which visit, or not who asks.
        NotFound: neither we nor the EHR know the visit.
        NotAllowed, EhrRefused, EhrUnavailable, StoreUnavailable.
    """
    asked = _parameters(body)
    letter = _letter(text(asked.get("letter", {}).get("valueCode")))
    requester = asked.get("requester", {})
    actor = text(requester.get("valueString")) or text(member(requester, "valueReference").get("display"))
    actor = actor or text(member(requester, "valueReference").get("reference"))
    if not actor:
        raise UnusableInput("Parameters.parameter requester is missing", remedy=_REMEDY)
    key = _known_key(installation, asked)
    if key is None:
        visit = _from_ehr(installation, asked)
        rules = installation.world.rules
        key = understand_encounter(visit.encounter, visit.patient, rules.authorities, local=rules.local).case_key
        if not _is_known(installation, key):
            file_visit(installation.world, visit)
    world = installation.world
    with world.store.begin() as tx:
        case = None if key is None else find_case(tx, key)
        if case is None:
            raise NotFound("the visit is not known here", remedy=_REMEDY)
        return request_draft(tx, case.id, actor=actor, rules=world.rules, reader=world.reader, letter=letter)


def _known_key(installation: Installation, asked: dict[str, dict[str, Any]]) -> str | None:
    """The key of a visit named by its number, where we have its case."""
    identifier = _identifier(asked)
    number, system = text(identifier.get("value")), text(identifier.get("system"))
    if not number:
        return None
    key = visit_key(installation.world.rules.authorities.get(system, system), number)
    return key if _is_known(installation, key) else None


def _is_known(installation: Installation, key: str | None) -> bool:
    if key is None:
        return False
    with installation.world.store.begin() as tx:
        return find_case(tx, key) is not None


def _from_ehr(installation: Installation, asked: dict[str, dict[str, Any]]) -> Visit:
    ehr = installation.ehr
    if ehr is None:
        raise NotFound("the visit is not known here, and ehr.fhir_url is not set", remedy=_REMEDY)
    return read_visit(ehr, _encounter(ehr, asked))


def _encounter(ehr: FhirClient, asked: dict[str, dict[str, Any]]) -> Resource:
    reference = text(member(asked.get("encounter", {}), "valueReference").get("reference"))
    if reference:
        parts = reference.partition("/_history/")[0].split("/")[-2:]
        if parts[0] != "Encounter" or len(parts) != 2:
            raise UnusableInput("Parameters.parameter encounter is no reference to an Encounter", remedy=_REMEDY)
        return _read(ehr, "/".join(parts))
    identifier = _identifier(asked)
    number, system = text(identifier.get("value")), text(identifier.get("system"))
    if not number:
        raise UnusableInput("Parameters.parameter names no visit", remedy=_REMEDY)
    token = f"{escaped(system)}|{escaped(number)}" if system else escaped(number)
    found = ehr.search("Encounter", (("identifier", token),))
    if len(found) != 1:
        raise NotFound(f"the EHR has {len(found)} visits of this identifier", remedy=_REMEDY)
    return found[0]


def _read(ehr: FhirClient, reference: str) -> Resource:
    try:
        return ehr.read(reference)
    except EhrRefused as error:
        if error.status in (404, 410):
            raise NotFound("the EHR does not know the visit", remedy=_REMEDY) from None
        raise


def _parameters(body: bytes) -> dict[str, dict[str, Any]]:
    """By name; of several the first."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise UnusableInput("the body is not JSON", remedy=_REMEDY) from None
    if not isinstance(document, dict) or document.get("resourceType") != "Parameters":
        raise UnusableInput("resourceType is not Parameters", remedy=_REMEDY)
    found: dict[str, dict[str, Any]] = {}
    for parameter in members(document, "parameter"):
        found.setdefault(text(parameter.get("name")), dict(parameter))
    return found


def _identifier(asked: dict[str, dict[str, Any]]) -> dict[str, Any]:
    reference = member(asked.get("encounter", {}), "valueReference")
    return dict(member(asked.get("visit", {}), "valueIdentifier") or member(reference, "identifier"))


def _letter(code: str) -> LetterKind | None:
    try:
        return LetterKind(code) if code else None
    except ValueError:
        kinds = ", ".join(LetterKind)
        raise UnusableInput(
            "Parameters.parameter letter is no kind of letter", remedy=f"Give one of {kinds}."
        ) from None


def _answer_to(error: EpikriseError) -> tuple[str, int]:
    """Issue type and HTTP status."""
    if isinstance(error, UnusableInput):
        return "invalid", 400
    if isinstance(error, NotFound):
        return "not-found", 404
    if isinstance(error, NotAllowed):
        return "business-rule", 409
    return ("processing", 502) if isinstance(error, EhrRefused) else ("transient", 503)
