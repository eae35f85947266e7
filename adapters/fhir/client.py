"""A FHIR R4 client over HTTP that tells three failures apart.

Nothing was stored (EhrUnavailable), nobody knows (EhrAmbiguous), it was refused (EhrRefused): that
is all a retry needs to know. Errors carry the method, the resource type, the HTTP status and the
OperationOutcome's codes and element paths; never its diagnostics, an id, or an address searched.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import httpx
import orjson

from service.errors import EhrAmbiguous, EhrRefused, EhrUnavailable, EpikriseError, WrongSetting
from service.ports import Resource

# httpx logs the address of every request at INFO, and a search's address holds record numbers.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

FHIR_JSON = "application/fhir+json"
MAX_PAGES = 500
LONGEST_WAIT = 86400.0
REFERENCE = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?$")
ISSUE_CODE = re.compile(r"[a-z-]{1,40}\Z")
DETAIL_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{0,63}\Z")
INCOMPLETE = frozenset({"incomplete", "transient", "timeout", "throttled", "lock-error", "no-store", "too-costly"})
"""Issue codes with which a server says that its answer lacks something, whatever their severity."""
ELEMENT_PATH = re.compile(r"[A-Za-z][A-Za-z0-9.\[\]]{0,200}\Z")

Parameters = Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Written:
    """``reference`` is ``Type/id``; ``resource`` None where the server answered without a body."""

    reference: str
    resource: Resource | None
    created: bool


class FhirClient:
    """One server. Thread-safe; close it or use it in ``with``.

    ``timeout`` is in seconds, for each read or write on the socket; connecting has at most five.
    ``token`` is sent as bearer token; ``auth`` signs requests (SMART Backend Services, basic); ``verify``
    and ``transport`` are httpx's.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float = 30.0,
        token: str | None = None,
        auth: httpx.Auth | None = None,
        verify: Any = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._base = base_url.rstrip("/")
        if not re.match(r"https?://[^/\s]+", self._base):
            raise WrongSetting("the FHIR base address is no http(s) address", remedy="Write it as https://host/fhir.")
        self._http = httpx.Client(
            timeout=httpx.Timeout(timeout, connect=min(timeout, 5.0)),
            auth=auth,
            verify=verify,
            transport=transport,
            headers={"Accept": FHIR_JSON} | ({"Authorization": f"Bearer {token}"} if token else {}),
            follow_redirects=False,
            # Proxies from the environment would carry charts where no setting of ours says so.
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # ------------------------------------------------------------ reading

    def capabilities(self) -> Resource:
        return self._resource(self._send("GET", "metadata", what="CapabilityStatement"), "CapabilityStatement")

    def read(self, reference: str) -> Resource:
        """``Type/id`` to the resource. Raises EhrRefused (status 404, 410 where there is none)."""
        resource_type = reference.partition("/")[0]
        return self._resource(self._send("GET", reference, what=resource_type), resource_type)

    def search(self, resource_type: str, parameters: Parameters) -> list[Resource]:
        """All pages of a search, in the server's order; OperationOutcomes among the entries are left out."""
        return [resource for page in self.pages(resource_type, parameters) for resource in page]

    def pages(self, resource_type: str, parameters: Parameters) -> Iterator[list[Resource]]:
        """A search page by page. What begins ends whole: a page that fails, or an answer that the server itself calls
        incomplete, raises EhrUnavailable, never gives a shorter answer. Raises EhrRefused where it does not begin."""
        return self._pages(f"{resource_type}?{urlencode(parameters)}", what=resource_type)

    def everything(self, patient: str) -> list[Resource]:
        """All pages of ``Patient/id/$everything``."""
        return [
            resource for page in self._pages(f"{patient}/$everything", what="Patient/$everything") for resource in page
        ]

    def events(self, subscription: str, first: int, last: int) -> Resource:
        """``Subscription/id/$events``: the notification Bundle of these events, both included (Backport 1.1)."""
        asked = (("eventsSinceNumber", str(first)), ("eventsUntilNumber", str(last)), ("content", "id-only"))
        path = f"{subscription}/$events?{urlencode(asked)}"
        return self._resource(self._send("GET", path, what="Subscription/$events"), "Bundle")

    def status(self, subscription: str) -> Resource:
        """``Subscription/id/$status``: a Bundle with the status inside (Backport 1.1)."""
        return self._resource(self._send("GET", f"{subscription}/$status", what="Subscription/$status"), "Bundle")

    def _pages(self, path: str, *, what: str) -> Iterator[list[Resource]]:
        seen: set[str] = set()
        while path:
            if path in seen or len(seen) >= MAX_PAGES:
                raise EhrRefused(f"{what}: the next links of a search do not end")
            try:
                page = self._resource(self._send("GET", path, what=what), "Bundle")
            except EhrRefused as refusal:
                if not seen or refusal.status in {401, 403}:
                    raise
                # a link that ran out: read from the beginning it will be whole again
                raise EhrUnavailable(f"{refusal.detail}, on a further page") from None
            seen.add(path)
            entries = [each for entry in members(page, "entry") if isinstance(each := entry.get("resource"), dict)]
            for outcome in entries:
                _require_whole(outcome, what)
            yield [each for each in entries if each.get("resourceType") != "OperationOutcome"]
            link = next((each.get("url") for each in members(page, "link") if each.get("relation") == "next"), "")
            path = self._rooted(link) if isinstance(link, str) and link else ""

    def _rooted(self, link: str) -> str:
        """A next link under our own base: servers behind a proxy name themselves wrongly, and
        credentials must never follow a link to another host."""
        if link.startswith((f"{self._base}/", f"{self._base}?")):
            return link.removeprefix(self._base).removeprefix("/")
        _, _, rest = link.partition("://")
        tail = rest.partition("/")[2] if rest else link.lstrip("/")
        own = self._base.partition("://")[2].partition("/")[2]
        return tail.removeprefix(own).removeprefix("/") if own else tail

    # ------------------------------------------------------------ writing

    def create(self, resource: Resource, *, if_none_exist: Parameters | None = None) -> Written:
        """Conditional where ``if_none_exist`` is given (http.html#ccreate): a match is returned as it is."""
        headers = {} if if_none_exist is None else {"If-None-Exist": urlencode(if_none_exist)}
        name = resource["resourceType"]
        answer = self._send("POST", name, what=name, body=resource, headers=headers)
        return self._written(answer, name)

    def update(self, resource: Resource, *, if_match: bool = True) -> Written:
        """PUT under the resource's own id; with ``if_match`` only onto the version that it was read at."""
        name, version = resource["resourceType"], resource.get("meta", {}).get("versionId")
        headers = {"If-Match": f'W/"{version}"'} if if_match and version else {}
        answer = self._send("PUT", f"{name}/{resource['id']}", what=name, body=resource, headers=headers)
        return self._written(answer, name)

    def delete(self, reference: str) -> None:
        """What is deleted already is no error."""
        try:
            self._send("DELETE", reference, what=reference.partition("/")[0])
        except EhrRefused as refusal:
            if refusal.status not in {404, 410}:
                raise

    def transaction(self, entries: Sequence[Resource]) -> list[Written]:
        """All or nothing, answers in the order of the entries. Raises EhrAmbiguous also where the
        answer cannot be read, for by then it is done."""
        body = {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}
        answer = self._send("POST", "", what="transaction", body=body)
        answered = members(_json(answer) or {}, "entry")
        if len(answered) != len(entries):
            raise EhrAmbiguous("transaction: the answer does not fit the request")
        return [_entry_written(entry) for entry in answered]

    def _written(self, answer: httpx.Response, name: str) -> Written:
        resource = _json(answer)
        if resource is not None and resource.get("resourceType") != name:
            resource = None
        reference = f"{name}/{resource['id']}" if resource and "id" in resource else ""
        reference = reference or reference_in(answer.headers.get("Location", ""))
        if not reference:
            raise EhrAmbiguous(f"{name}: the answer names no resource")
        return Written(reference=reference, resource=resource, created=answer.status_code == 201)

    # ------------------------------------------------------------ the wire

    def _send(
        self,
        method: str,
        path: str,
        *,
        what: str,
        body: Resource | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        writing = method != "GET"
        sent = dict(headers or {})
        if body is not None:
            sent |= {"Content-Type": FHIR_JSON, "Prefer": "return=representation"}
        try:
            answer = self._http.request(
                method,
                f"{self._base}/{path}" if path and not path.startswith("?") else f"{self._base}{path}",
                content=None if body is None else orjson.dumps(body),
                headers=sent,
            )
        except httpx.TransportError as error:
            raise failed_in_transit(error, f"{method} {what}", writing=writing) from None
        except (httpx.DecodingError, httpx.InvalidURL) as error:
            raise (EhrAmbiguous if writing else EhrUnavailable)(f"{method} {what}: {type(error).__name__}") from None
        if answer.is_success:
            return answer
        raise answered_badly(answer, f"{method} {what}", writing=writing)

    def _resource(self, answer: httpx.Response, expected: str) -> Resource:
        resource = _json(answer)
        if resource is None or resource.get("resourceType") != expected:
            raise EhrRefused(
                f"{expected}: the answer is no FHIR resource of this type",
                remedy="Check that the base address is that of a FHIR R4 server.",
                status=answer.status_code,
            )
        return resource


def failed_in_transit(error: httpx.TransportError, what: str, *, writing: bool) -> EpikriseError:
    """No answer came. What failed before a byte was sent stored nothing; for a write, all else is unknown."""
    if isinstance(error, httpx.UnsupportedProtocol):
        return WrongSetting(f"{what}: the FHIR base address is no http(s) address")
    detail = f"{what}: {type(error).__name__}"
    before = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError)
    return EhrAmbiguous(detail) if writing and not before else EhrUnavailable(detail)


def answered_badly(answer: httpx.Response, what: str, *, writing: bool) -> EpikriseError:
    """An answer that is no success (http.html#Status-Codes)."""
    status = answer.status_code
    issues = tuple(_issues(_json(answer) or {}))
    codes = ", ".join(words for _, words in issues)
    detail = f"{what}: HTTP {status}" + (f" ({codes})" if codes else "")
    if status in {408, 429, 503}:
        return EhrUnavailable(detail, retry_after=retry_after(answer))
    if status >= 500 and status != 501:
        return EhrAmbiguous(detail) if writing else EhrUnavailable(detail)
    remedy = ""
    if status in {401, 403}:
        remedy = "Check the credentials and scopes that the EHR gave this system."
    elif status < 400:
        remedy = "Check the FHIR base address: the server redirects, and redirects are not followed."
    return EhrRefused(detail, remedy=remedy, status=status, issues=tuple(code for code, _ in issues))


def _issues(outcome: Resource) -> Iterator[tuple[str, str]]:
    """(code, what an operator may read of the issue): codes and element paths, no text, which may quote content."""
    for issue in members(outcome, "issue") if outcome.get("resourceType") == "OperationOutcome" else []:
        code = issue.get("code")
        if not isinstance(code, str) or not ISSUE_CODE.match(code):
            continue
        places = issue.get("expression") or issue.get("location") or [""]
        place = places[0] if isinstance(places, list) and isinstance(places[0], str) else ""
        details = issue.get("details")
        codings = members(details, "coding") if isinstance(details, dict) else []
        detail = next((each["code"] for each in codings if DETAIL_CODE.match(str(each.get("code", "")))), "")
        # A FHIRPath with quotes or brackets of a call could quote a value; a plain path cannot.
        words = (code, detail, f"at {place}" if ELEMENT_PATH.match(place) else "")
        yield code, " ".join(word for word in words if word)


def _require_whole(resource: Resource, what: str) -> None:
    """An outcome among the entries of a search may say that the answer lacks something (search.html#outcome)."""
    for code, words in _issues(resource):
        issues = members(resource, "issue")
        is_severe = any(each.get("code") == code and each.get("severity") in ("error", "fatal") for each in issues)
        if is_severe or code in INCOMPLETE:
            raise EhrUnavailable(f"GET {what}: the answer is not whole ({words})")


def retry_after(answer: httpx.Response) -> float | None:
    """Seconds from ``Retry-After``, which is a number or a date (RFC 9110, 10.2.3); at most a day."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    seconds = (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(0.0, seconds), LONGEST_WAIT)


def _json(answer: httpx.Response) -> Resource | None:
    try:
        parsed = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _entry_written(entry: Mapping[str, Any]) -> Written:
    answer, resource = entry.get("response"), entry.get("resource")
    response = answer if isinstance(answer, dict) else {}
    reference = reference_in(str(response.get("location", "")))
    if not reference and isinstance(resource, dict) and "id" in resource:
        reference = f"{resource.get('resourceType', '')}/{resource['id']}"
    return Written(reference=reference, resource=resource, created=str(response.get("status", "")).startswith("201"))


def reference_in(location: str) -> str:
    """``Type/id`` out of an address with or without base and version; ``""`` where there is none."""
    found = REFERENCE.search(location)
    return f"{found.group(1)}/{found.group(2)}" if found else ""


def escaped(value: str) -> str:
    """A value inside a search parameter (search.html#escaping)."""
    for character in "\\,|$":
        value = value.replace(character, f"\\{character}")
    return value


def members(node: Mapping[str, Any], name: str) -> list[Resource]:
    """The objects in a list of another server's answer; what is no object or no list is not there."""
    listed = node.get(name)
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
