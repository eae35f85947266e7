"""FHIR's REST interface: addresses and headers to interactions, and back (FHIR R4, http.html)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.sandbox import bundles, interactions
from adapters.sandbox.capability import capability_statement
from adapters.sandbox.faults import AFTER, Fault, Faults, refusal_of
from adapters.sandbox.outcome import Refusal, Resource, operation_outcome, refuse
from adapters.sandbox.search import read_query
from adapters.sandbox.storage import Storage, Stored
from adapters.sandbox.subscriptions import Subscriptions
from adapters.sandbox.validation import parse_json, require_type, require_valid

log = logging.getLogger(__name__)

FHIR_JSON = "application/fhir+json; charset=utf-8"
MAX_BODY = 64 * 1024 * 1024
EVERYTHING_COUNT = 100

Handler = Callable[[Request], Awaitable[Response]]


class Rest:
    """The handlers under ``/fhir``."""

    def __init__(self, storage: Storage, faults: Faults, subscriptions: Subscriptions) -> None:
        self._storage = storage
        self._subscriptions = subscriptions
        self._faults = faults

    def routes(self) -> list[Route]:
        """In order: the literal addresses before the patterns that would swallow them."""
        return [
            Route("/fhir", self._answer(self._system), methods=["POST"]),
            Route("/fhir/", self._answer(self._system), methods=["POST"]),
            Route("/fhir/metadata", self._answer(self._metadata), methods=["GET"]),
            Route("/fhir/{type}", self._answer(self._type), methods=["GET", "POST", "PUT"]),
            Route("/fhir/{type}/_search", self._answer(self._search_by_post), methods=["POST"]),
            Route("/fhir/Patient/{id}/$everything", self._answer(self._everything), methods=["GET", "POST"]),
            Route("/fhir/Subscription/{id}/$status", self._answer(self._status), methods=["GET", "POST"]),
            Route("/fhir/Subscription/{id}/$events", self._answer(self._events), methods=["GET", "POST"]),
            Route("/fhir/Subscription/{id}", self._answer(self._delete), methods=["DELETE"]),
            Route("/fhir/{type}/{id}", self._answer(self._instance), methods=["GET", "PUT"]),
            Route("/fhir/{type}/{id}/_history", self._answer(self._history), methods=["GET"]),
            Route("/fhir/{type}/{id}/_history/{version}", self._answer(self._version), methods=["GET"]),
        ]

    def _answer(self, handler: Handler) -> Handler:
        async def answer(request: Request) -> Response:
            fault = self._faults.take(request.method, request.url.path)
            try:
                return await _with_fault(fault, handler, request) if fault else await handler(request)
            except Refusal as refusal:
                return outcome_response(refusal)
            except Exception:
                # Whatever goes wrong here is ours; the client gets an outcome, the log gets the place.
                log.exception("sandbox_failed")
                return outcome_response(refuse(500, "exception", "An unforeseen error of this server."))

        return answer

    async def _system(self, request: Request) -> Response:
        base, bundle = base_of(request), await _body(request)
        kind = bundle.get("type") if isinstance(bundle, dict) and bundle.get("resourceType") == "Bundle" else None
        if not isinstance(kind, str):
            raise refuse(400, "structure", "A Bundle with a type is needed here.", "Bundle")
        if kind == "transaction" and not self._faults.transactions():
            raise refuse(501, "not-supported", "This server carries out no transactions.", "Bundle.type")
        if kind == "batch":

            def begin() -> Any:
                return self._storage.begin(bases=(base,))

            return fhir_response(await run_in_threadpool(bundles.run_batch, begin, bundle, base=base))
        if kind == "transaction":
            carry_out = bundles.transact
        elif kind in bundles.LOADED:
            carry_out = bundles.load_chart
        else:
            raise refuse(400, "not-supported", "Bundles of this type cannot be carried out.", "Bundle.type")

        def run() -> Resource:
            with self._storage.begin(bases=(base,)) as records:
                return carry_out(records, bundle, base=base)

        return fhir_response(await run_in_threadpool(run))

    async def _metadata(self, request: Request) -> Response:
        return fhir_response(capability_statement(base_of(request), transactions=self._faults.transactions()))

    async def _type(self, request: Request) -> Response:
        name = _type_of(request)
        if request.method == "GET":
            return await self._search(request, name, parse_qsl(request.url.query, keep_blank_values=True))
        resource = require_valid(await _body(request), expected_type=name)
        base = base_of(request)

        def run() -> Stored:
            with self._storage.begin(bases=(base,)) as records:
                if request.method == "POST":
                    condition = request.headers.get("If-None-Exist")
                    return interactions.create(records, resource, if_none_exist=condition)
                if_match = request.headers.get("If-Match")
                return interactions.conditional_update(records, resource, request.url.query, if_match=if_match)

        return stored_response(await run_in_threadpool(run), base)

    async def _search_by_post(self, request: Request) -> Response:
        name = _type_of(request)
        raw = (await _bytes(request)).decode("utf-8", "replace")
        pairs = parse_qsl(request.url.query, keep_blank_values=True) + parse_qsl(raw, keep_blank_values=True)
        return await self._search(request, name, pairs)

    async def _search(self, request: Request, name: str, pairs: list[tuple[str, str]]) -> Response:
        base = base_of(request)
        query = read_query(name, pairs, bases=(base,))

        def run() -> Resource:
            with self._storage.begin(bases=(base,)) as records:
                return interactions.searchset(records, query, base=base)

        return fhir_response(await run_in_threadpool(run))

    async def _instance(self, request: Request) -> Response:
        name, identity, base = _type_of(request), request.path_params["id"], base_of(request)
        if request.method == "GET":

            def read() -> Stored:
                with self._storage.begin() as records:
                    if records.get(name, identity) is None and records.versions(name, identity):
                        raise refuse(410, "deleted", "It was deleted.", name)
                    return records.require(name, identity)

            return stored_response(await run_in_threadpool(read), base)
        resource = require_valid(await _body(request), expected_type=name)

        def run() -> Stored:
            with self._storage.begin(bases=(base,)) as records:
                return interactions.update(records, resource, identity, if_match=request.headers.get("If-Match"))

        return stored_response(await run_in_threadpool(run), base)

    async def _history(self, request: Request) -> Response:
        name, identity, base = _type_of(request), request.path_params["id"], base_of(request)
        with self._storage.begin() as records:
            versions = records.versions(name, identity)
        if not versions:
            raise refuse(404, "not-found", "There is no such resource.", name)
        entries = [
            {
                "fullUrl": f"{base}/{name}/{identity}",
                "resource": resource,
                "request": {"method": method, "url": name if method == "POST" else f"{name}/{identity}"},
                "response": {"status": "201" if version == 1 else "200", "etag": f'W/"{version}"'},
            }
            for version, method, resource in versions
        ]
        return fhir_response(interactions.bundle("history", entries, total=len(entries)))

    async def _version(self, request: Request) -> Response:
        name, identity = _type_of(request), request.path_params["id"]
        with self._storage.begin() as records:
            for version, _, resource in records.versions(name, identity):
                if str(version) == request.path_params["version"]:
                    stored = Stored(resource=resource, version=version, seq=0)
                    return stored_response(stored, base_of(request))
        raise refuse(404, "not-found", "There is no such version.", name)

    async def _delete(self, request: Request) -> Response:
        """Only Subscriptions: of a chart nothing is deleted here."""
        with self._storage.begin() as records:
            records.delete("Subscription", request.path_params["id"])
        return Response(status_code=204)

    async def _status(self, request: Request) -> Response:
        with self._storage.begin() as records:
            return fhir_response(self._subscriptions.status(records, request.path_params["id"], base_of(request)))

    async def _events(self, request: Request) -> Response:
        query = dict(request.query_params)
        with self._storage.begin() as records:
            told = self._subscriptions.events(records, request.path_params["id"], query, base_of(request))
        return fhir_response(told)

    async def _everything(self, request: Request) -> Response:
        identity, base = request.path_params["id"], base_of(request)
        shape = read_query(
            "Patient", [p for p in request.query_params.multi_items() if p[0] in {"_count", "_after"}], bases=()
        )
        count = shape.count if "_count" in request.query_params and shape.count else EVERYTHING_COUNT
        with self._storage.begin() as records:
            records.require("Patient", identity)
            page, more = records.everything(identity, after=shape.after or 0, count=count)
        address = f"{base}/Patient/{identity}/$everything"
        links = [{"relation": "self", "url": str(request.url)}]
        if more:
            links.append({"relation": "next", "url": f"{address}?_count={count}&_after={page[-1].seq}"})
        entries = [interactions.found_entry(stored, base) for stored in page]
        return fhir_response(interactions.bundle("searchset", entries, links=links))


async def _with_fault(fault: Fault, handler: Handler, request: Request) -> Response:
    refusal = refusal_of(fault)
    if refusal is not None:
        return outcome_response(refusal)
    if fault.kind == "slow":
        await asyncio.sleep(fault.seconds)
    response = await handler(request)
    if fault.kind == "hang_after":
        await asyncio.sleep(fault.seconds)
    if fault.kind in AFTER:
        return outcome_response(refuse(500, "exception", "A fault that was asked for, after storing."))
    return response


def base_of(request: Request) -> str:
    """The server's address as this client wrote it."""
    return f"{request.url.scheme}://{request.url.netloc}/fhir"


def _type_of(request: Request) -> str:
    name = str(request.path_params["type"])
    require_type(name)
    return name


async def _bytes(request: Request) -> bytes:
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > MAX_BODY:
            raise refuse(413, "too-long", f"At most {MAX_BODY} bytes.")
    return bytes(received)


async def _body(request: Request) -> Any:
    kind = request.headers.get("Content-Type", "application/fhir+json").partition(";")[0].strip().lower()
    if kind not in {"application/fhir+json", "application/json", "text/json"}:
        raise refuse(415, "not-supported", "The Content-Type must be application/fhir+json.")
    return parse_json(await _bytes(request))


def fhir_response(resource: Resource, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(resource), status_code=status, media_type=FHIR_JSON, headers=dict(headers or {}))


def stored_response(stored: Stored, base: str) -> Response:
    updated = datetime.fromisoformat(stored.resource["meta"]["lastUpdated"])
    headers = {"ETag": stored.etag, "Last-Modified": format_datetime(updated, usegmt=True)}
    if stored.created:
        headers["Location"] = f"{base}/{stored.reference}/_history/{stored.version}"
    return fhir_response(stored.resource, status=201 if stored.created else 200, headers=headers)


def outcome_response(refusal: Refusal) -> Response:
    return fhir_response(operation_outcome(refusal.issues), status=refusal.status, headers=refusal.headers)
