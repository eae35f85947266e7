"""OperationOutcome, and the one exception that becomes one (FHIR R4, http.html#Status-Codes)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Resource = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Issue:
    """One line of an OperationOutcome; ``code`` is from http://hl7.org/fhir/issue-type."""

    code: str
    diagnostics: str
    expression: str = ""


class Refusal(Exception):
    """A request that the server does not carry out; ``status`` is the HTTP status."""

    def __init__(self, status: int, *issues: Issue, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {issues[0].code if issues else ''}")
        self.status = status
        self.issues = issues
        self.headers = dict(headers or {})


def refuse(status: int, code: str, diagnostics: str, expression: str = "") -> Refusal:
    """The common case of one issue; the caller raises it."""
    return Refusal(status, Issue(code=code, diagnostics=diagnostics, expression=expression))


def operation_outcome(issues: Sequence[Issue], *, severity: str = "error") -> Resource:
    """The OperationOutcome of these issues."""
    return {"resourceType": "OperationOutcome", "issue": [_issue(issue, severity) for issue in issues]}


def _issue(issue: Issue, severity: str) -> Resource:
    line: Resource = {"severity": severity, "code": issue.code, "diagnostics": issue.diagnostics}
    if issue.expression:
        line["expression"] = [issue.expression]
    return line
