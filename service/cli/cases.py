"""``case``: one case, its timeline, and what an operator may do. No PHI: ids, states, times."""

from typing import Annotated, Any

import typer

from service import rescue
from service.bootstrap import open_sealed_store
from service.cli.output import print_json, print_rows, say
from service.config import load_settings
from service.errors import UnusableInput
from service.model import Case, CaseState, Step
from service.ports import Transaction

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CaseId = Annotated[str, typer.Argument(help="Id of the case, as `epikrise case list` prints it")]

_NEXT = {
    CaseState.OPEN: "wait for the discharge",
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
    _, store = open_sealed_store(load_settings())
    with store.read() as tx:
        rows = [_row(case) for case in tx.cases(states=states)]
    if as_json:
        print_json(rows)
    else:
        print_rows(rows, ("id", "state", "delivery", "generation", "updated"))


@app.command()
def show(case_id: CaseId, as_json: AsJson = False) -> None:
    """One case: its timeline, its errors, its next action."""
    _, store = open_sealed_store(load_settings())
    with store.read() as tx:
        report = _report(tx, case_id)
    if as_json:
        print_json(report)
        return
    say(f"{report['id']}  {report['state']}  delivery {report['delivery']}  next: {report['next']}")
    print_rows(report["timeline"], ("at", "what", "state", "error"))


@app.command()
def retry(case_id: CaseId, as_json: AsJson = False) -> None:
    """Replay the dead steps of a case."""
    _, store = open_sealed_store(load_settings())
    with store.begin() as tx:
        count = rescue.retry_case(tx, case_id)
    _done(case_id, f"{count} step(s) replayed", as_json)


@app.command()
def hold(case_id: CaseId, as_json: AsJson = False) -> None:
    """Stop a case until it is released."""
    _, store = open_sealed_store(load_settings())
    with store.begin() as tx:
        rescue.hold_case(tx, case_id)
    _done(case_id, "held", as_json)


@app.command()
def release(case_id: CaseId, as_json: AsJson = False) -> None:
    """Let a held case go on."""
    _, store = open_sealed_store(load_settings())
    with store.begin() as tx:
        rescue.release_case(tx, case_id)
    _done(case_id, "released", as_json)


@app.command()
def withdraw(case_id: CaseId, as_json: AsJson = False) -> None:
    """Take an unsigned draft out of the EHR's inbox; its text is kept."""
    _, store = open_sealed_store(load_settings())
    with store.begin() as tx:
        rescue.withdraw_case(tx, case_id)
    _done(case_id, "withdrawn", as_json)


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
