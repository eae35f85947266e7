"""The physician's inbox: Tasks and their documents as pages, plain HTML without scripts."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from adapters.sandbox.outcome import Resource
from adapters.sandbox.search import read_query
from adapters.sandbox.search_parameters import walk
from adapters.sandbox.storage import Records, Storage
from adapters.sandbox.words import WORDS

HERE = Path(__file__).parent
SMART = "http://hl7.org/fhir/smart-app-launch/CodeSystem/smart-codes"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

Lang = Literal["de", "en"]


@dataclass(frozen=True, kw_only=True)
class Banner:
    """Whom a page speaks of."""

    name: str
    birth_date: str
    gender: str
    record_number: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One Task in the list."""

    status: str
    open: bool
    description: str
    notes: tuple[tuple[str, str], ...]
    patient: Banner
    authored: str
    age: str
    owner: str
    document_id: str
    launch: str


class Inbox:
    """The pages under ``/inbox``."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=select_autoescape(), trim_blocks=True
        )

    def routes(self) -> list[Route]:
        return [
            Route("/inbox", self._list),
            Route("/inbox/style.css", self._style),
            Route("/inbox/document/{id}", self._document),
        ]

    async def _style(self, _: Request) -> Response:
        return FileResponse(
            HERE / "static" / "inbox.css", media_type="text/css", headers={"Cache-Control": "max-age=60"}
        )

    async def _list(self, request: Request) -> Response:
        lang = language(request)
        everything = request.query_params.get("all") == "1"

        def rows() -> list[Row]:
            with self._storage.begin() as records:
                return [row for row in _rows(records, lang) if everything or row.open]

        return self._page("inbox.html", lang, rows=await run_in_threadpool(rows), everything=everything)

    async def _document(self, request: Request) -> Response:
        lang, identity = language(request), request.path_params["id"]

        def view() -> dict[str, Any] | None:
            with self._storage.begin() as records:
                stored = records.get("DocumentReference", identity)
                return None if stored is None else _document_view(records, stored.resource, lang)

        found = await run_in_threadpool(view)
        if found is None:
            return self._page("missing.html", lang, status=404)
        return self._page("document.html", lang, **found)

    def _page(self, template: str, lang: Lang, *, status: int = 200, **values: Any) -> Response:
        html = self._templates.get_template(template).render(lang=lang, words=WORDS[lang], **values)
        return HTMLResponse(html, status_code=status, headers=HEADERS)


def language(request: Request) -> Lang:
    """``?lang`` first, then the first of Accept-Language that we speak, then German."""
    wishes = [request.query_params.get("lang", "")]
    wishes += [part.partition(";")[0].strip() for part in request.headers.get("Accept-Language", "").split(",")]
    for wish in wishes:
        if wish[:2].lower() == "de":
            return "de"
        if wish[:2].lower() == "en":
            return "en"
    return "de"


def _rows(records: Records, lang: Lang) -> Iterator[Row]:
    query = read_query("Task", [("_sort", "-_lastUpdated"), ("_count", "500")], bases=())
    _, tasks, _ = records.search(query)
    for stored in tasks:
        task = stored.resource
        notes, launch = _inputs(task)
        owner = _followed(records, task.get("owner"))
        focus = str(task.get("focus", {}).get("reference", ""))
        yield Row(
            status=WORDS[lang]["task_status"].get(task["status"], task["status"]),
            open=task["status"] in {"requested", "received", "accepted", "ready", "in-progress", "on-hold"},
            description=task.get("description", ""),
            notes=notes,
            patient=_banner(_followed(records, task.get("for")), lang),
            authored=task.get("authoredOn", ""),
            age=_age(task.get("authoredOn", ""), lang),
            owner=_name(owner) if owner else task.get("owner", {}).get("display", ""),
            document_id=focus.removeprefix("DocumentReference/") if focus.startswith("DocumentReference/") else "",
            launch=launch,
        )


def _inputs(task: Resource) -> tuple[tuple[tuple[str, str], ...], str]:
    """What a Task brings along: numbers and words under their own label, and the SMART launch address."""
    notes: list[tuple[str, str]] = []
    launch = ""
    for entry in task.get("input", []):
        kind = entry.get("type", {})
        codes = {coding.get("code") for coding in kind.get("coding", []) if coding.get("system") == SMART}
        if "smartonfhir-application" in codes:
            address = entry.get("valueUrl", "")
            # Any other scheme in a link could run as a script.
            launch = address if urlsplit(address).scheme in {"http", "https"} else ""
        elif kind.get("text"):
            value = next((value for name, value in entry.items() if name.startswith("value")), "")
            if isinstance(value, str | int):
                notes.append((str(kind["text"]), str(value)))
    return tuple(notes), launch


def _document_view(records: Records, document: Resource, lang: Lang) -> dict[str, Any]:
    words = WORDS[lang]
    attachment: Resource = next(walk(document, "content.attachment"), {})
    query = read_query("Task", [("focus", f"DocumentReference/{document['id']}")], bases=())
    launches = [
        _inputs(task.resource)[1] for task in records.search(query)[1] if task.resource["status"] == "requested"
    ]
    doc_status = document.get("docStatus", "")
    return {
        "title": attachment.get("title") or document.get("description") or words["document"],
        "text": _text(attachment),
        "text_lang": attachment.get("language", lang),
        "validity": words["status"].get(document["status"], document["status"]),
        "doc_status": words["doc_status"].get(doc_status, doc_status),
        "final": doc_status == "final",
        "by_ai": any(label.get("code") == "AIAST" for label in walk(document, "meta.security")),
        "patient": _banner(_followed(records, document.get("subject")), lang),
        "date": document.get("date", ""),
        "authenticator": _party(records, document.get("authenticator")),
        "launch": next((launch for launch in launches if launch), ""),
    }


def _text(attachment: Mapping[str, Any]) -> str | None:
    """None where the content is not text that can be shown."""
    if not str(attachment.get("contentType", "")).startswith("text/plain"):
        return None
    try:
        return base64.b64decode(attachment.get("data", ""), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, TypeError):
        return None


def _followed(records: Records, reference: Any) -> Resource | None:
    parts = str(reference.get("reference", "")).split("/") if isinstance(reference, dict) else []
    stored = records.get(parts[0], parts[1]) if len(parts) >= 2 else None
    return stored.resource if stored else None


def _party(records: Records, reference: Any) -> str:
    party = _followed(records, reference)
    if party is not None:
        return _name(party)
    return str(reference.get("display", "")) if isinstance(reference, dict) else ""


def _banner(patient: Resource | None, lang: Lang) -> Banner:
    words = WORDS[lang]
    if patient is None:
        return Banner(name=words["unknown_patient"], birth_date="", gender="", record_number="")
    numbers = [
        str(identifier.get("value", ""))
        for identifier in patient.get("identifier", [])
        if any(coding.get("code") == "MR" for coding in walk(identifier, "type.coding"))
    ]
    return Banner(
        name=_name(patient),
        birth_date=patient.get("birthDate", ""),
        gender=words["gender"].get(patient.get("gender", ""), ""),
        record_number=numbers[0] if numbers else "",
    )


def _name(party: Resource) -> str:
    names = party.get("name", [])
    if isinstance(names, str):
        return names
    first = names[0] if names else {}
    return first.get("text") or ", ".join(
        part for part in (first.get("family", ""), " ".join(first.get("given", []))) if part
    )


def _age(authored: str, lang: Lang) -> str:
    try:
        seconds = (datetime.now(UTC) - datetime.fromisoformat(authored).astimezone(UTC)).total_seconds()
    except ValueError:
        return ""
    words = WORDS[lang]["ages"]
    if seconds < 3600:
        return str(words["minutes"]).format(max(0, int(seconds // 60)))
    if seconds < 48 * 3600:
        return str(words["hours"]).format(int(seconds // 3600))
    return str(words["days"]).format(int(seconds // 86400))
