"""``case``: one case, its timeline, and what an operator may do. No PHI: ids, states, times."""

from typing import Annotated, Any

import typer

from adapters.hl7.message import read_message
from service import on_demand, rescue
from service.bootstrap import open_existing_store
from service.cli.output import print_json, print_rows, say
from service.config import load_settings
from service.errors import NotFound, UnusableInput
from service.model import Case, CaseState, LetterKind, MessageFilter, Step
from service.ports import Transaction
from service.web.texts import TEXTS
from service.world import Rules

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CaseId = Annotated[str, typer.Argument(help="Id of the case, as `epikrise case list` prints it")]

_NEXT = {
    CaseState.OPEN: "wait for what starts its letter",
    CaseState.HELD: "look at the notices, then `epikrise case release` or `withdraw`",
    CaseState.FAILED: "mend the cause, then `epikrise case retry`",
    CaseState.IN_INBOX: "wait for the physician",
    CaseState.IN_REVIEW: "wait for the physician",
}


@app.command("list")
def list_cases(
    state: Annotated[str | None, typer.Option(help="Only cases in this state.")] = None, as_json: AsJson = False
) -> None:
    """Cases, newest first."""
    states = [_state(state)] if state else []
    _, store = open_existing_store(load_settings())
    with store.read() as tx:
        rows = [_row(case) for case in tx.cases(states=states)]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ("id", "state", "delivery", "generation", "updated"))


@app.command()
def show(case_id: CaseId, as_json: AsJson = False) -> None:
    """One case: its notices, its timeline, its errors, its next action."""
    _, store = open_existing_store(load_settings())
    with store.read() as tx:
        report = _report(tx, case_id)
    if as_json:
        print_json(report)
        return
    say(f"{report['id']}  {report['state']}  delivery {report['delivery']}  next: {report['next']}")
    for notice in report["notices"]:
        say(f"notice: {TEXTS['en'].get(f'notice_{notice}', notice.replace('_', ' '))}")
    print_rows(report["timeline"], ("at", "what", "state", "error"))


@app.command()
def retry(case_id: CaseId, as_json: AsJson = False) -> None:
    """Replay the dead steps of a case."""
    _, store = open_existing_store(load_settings())
    with store.begin() as tx:
        count = rescue.retry_case(tx, case_id)
    _done(case_id, f"{count} step(s) replayed", as_json)


@app.command()
def hold(case_id: CaseId, as_json: AsJson = False) -> None:
    """Stop a case until it is released."""
    _, store = open_existing_store(load_settings())
    with store.begin() as tx:
        rescue.hold_case(tx, case_id)
    _done(case_id, "held", as_json)


@app.command()
def release(case_id: CaseId, as_json: AsJson = False) -> None:
    """Let a held case go on."""
    _, store = open_existing_store(load_settings())
    with store.begin() as tx:
        rescue.release_case(tx, case_id)
    _done(case_id, "released", as_json)


@app.command()
def withdraw(case_id: CaseId, as_json: AsJson = False) -> None:
    """Take an unsigned draft out of the EHR's inbox; its text is kept."""
    _, store = open_existing_store(load_settings())
    with store.begin() as tx:
        rescue.withdraw_case(tx, case_id)
    _done(case_id, "withdrawn", as_json)


@app.command()
def draft(
    case_id: Annotated[str | None, typer.Argument(help="Id of the case, as `epikrise case list` prints it")] = None,
    *,
    actor: Annotated[str, typer.Option(help="Who asks: a name for the audit trail.")],
    control_id: Annotated[str | None, typer.Option(help="MSH-10 of a message of the visit, instead of its id.")] = None,
    letter: Annotated[LetterKind | None, typer.Option(help="Kind of letter; default: as the rules say.")] = None,
    as_json: AsJson = False,
) -> None:
    """Begin a draft now, also before the discharge. One that is there or under way stays as it is."""
    settings = load_settings()
    rules = Rules(authorities=settings.ehr.authorities, local=settings.hl7.zone, starts=settings.letter.starts)
    _, store = open_existing_store(settings)
    with store.begin() as tx:
        wanted = _one_case(tx, case_id, control_id)
        before = tx.case(wanted).generation
        case = on_demand.request_draft(tx, wanted, actor=actor, rules=rules, reader=read_message, letter=letter)
    begun = "draft begun" if case.generation > before else f"nothing to begin: the case is {case.state.value}"
    _done(case.id, begun, as_json)


def _one_case(tx: Transaction, case_id: str | None, control_id: str | None) -> str:
    """Raises UnusableInput, NotFound."""
    if (case_id is None) == (control_id is None):
        raise UnusableInput("CASE_ID or --control-id", remedy="Give one of the two.")
    if case_id is not None:
        return case_id
    found = {row.case_id for row in tx.list_messages(MessageFilter(control_id=control_id or ""), limit=100)} - {None}
    if not found:
        raise NotFound("no message with this control id belongs to a case", remedy="See `epikrise case list`.")
    if len(found) > 1:
        raise UnusableInput("--control-id: messages of several cases have it", remedy="Give the id of the case.")
    return str(found.pop())


def _done(case_id: str, text: str, as_json: bool) -> None:
    if as_json:
        print_json({"case": case_id, "done": text})
    else:
        say(f"{case_id}: {text}")


def _state(text: str) -> CaseState:
    try:
        return CaseState(text)
    except ValueError:
        raise UnusableInput("--state", remedy=f"Give one of {', '.join(CaseState)}.") from None


def _row(case: Case) -> dict[str, Any]:
    return {
        "id": case.id,
        "state": case.state.value,
        "delivery": case.delivery.value,
        "generation": case.generation,
        "created": case.created_at.isoformat(timespec="seconds"),
        "updated": case.updated_at.isoformat(timespec="seconds"),
        "notices": list(case.notices),
    }


def _report(tx: Transaction, case_id: str) -> dict[str, Any]:
    case = tx.case(case_id)
    steps = tx.steps_of(case_id)
    received = [
        {
            "at": message.received_at.isoformat(timespec="seconds"),
            "what": f"message {message.event.value if message.event else message.state}",
            "state": message.state,
            "error": message.error_code,
        }
        for message in tx.messages_of(case_id)
    ]
    timeline = sorted([*received, *(_step_row(step) for step in steps)], key=lambda row: str(row["at"]))
    signature = tx.signature(case_id)
    return {
        **_row(case),
        "next": _next_action(case, steps),
        "signed": signature.signed_at.isoformat(timespec="seconds") if signature else None,
        "start": tx.get("start", case_id),
        "timeline": timeline,
    }


def _step_row(step: Step) -> dict[str, Any]:
    return {
        "at": step.created_at.isoformat(timespec="seconds"),
        "what": f"step {step.name}",
        "state": step.state.value,
        "error": step.error_text,
        "id": step.id,
        "attempts": step.attempts,
    }


def _next_action(case: Case, steps: Any) -> str:
    if case.state in _NEXT:
        return _NEXT[case.state]
    live = [step for step in steps if step.state.value in ("waiting", "running", "failed")]
    return f"{live[0].name} is {live[0].state.value}" if live else "none"
