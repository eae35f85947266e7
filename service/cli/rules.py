"""``rules``: what starts a letter, and what other rules would have started. No PHI: departments, ids, counts."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from adapters.hl7.message import read_message
from service.bootstrap import now, open_existing_store
from service.chart import open_mapping
from service.cli.output import console, print_json, print_rows, say
from service.config import load_rules, load_settings
from service.starting import BY_DEFAULT, Rule
from service.tryout import Begun, Trial, try_rules

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RulesFile = Annotated[Path | None, typer.Option(help="TOML with [[letter.rules]]; default: the rules in force.")]

_GROUPED = ("department", "trigger", "letter", "rule")


@app.command()
def show(rules: RulesFile = None, as_json: AsJson = False) -> None:
    """The rules in their order: the first that fits decides."""
    chosen = _chosen(rules)
    rows = [_rule_row(number, rule) for number, rule in enumerate(chosen, start=1)]
    if as_json:
        print_json(rows)
        return
    flat = [
        {name: " ".join(value) if isinstance(value, list) else value for name, value in row.items()} for row in rows
    ]
    print_rows(flat, ("order", "name", "departments", "exclude", "classes", "trigger", "letter", "at"))
    if chosen is BY_DEFAULT:
        say("letter.rules is not set: every discharge starts a letter")


@app.command("try")
def try_out(
    rules: RulesFile = None,
    days: Annotated[float, typer.Option(min=0.01, max=366, help="How far back.")] = 7.0,
    as_json: AsJson = False,
) -> None:
    """What rules would have started of the stored messages of the last days. Changes nothing."""
    settings, chosen = load_settings(), _chosen(rules)
    until = now()
    since = until - timedelta(days=days)
    _, store = open_existing_store(settings)
    with store.read() as tx:
        total = sum(each.number for each in tx.count_messages(since=since))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("reading messages", total=total)
        trial = try_rules(
            store.read,
            chosen,
            since=since,
            until=until,
            reader=read_message,
            authorities=settings.ehr.authorities,
            local=settings.hl7.zone,
            mapping=open_mapping(settings.chart.obx_mapping),
            progress=lambda: progress.advance(task),
        )
    report = {
        "since": since.isoformat(timespec="seconds"),
        "until": until.isoformat(timespec="seconds"),
        "rules": [rule.name for rule in chosen],
        **_report(trial),
    }
    if as_json:
        print_json(report)
    else:
        _print(report, days)


def _chosen(file: Path | None) -> Sequence[Rule]:
    return load_rules(file) if file is not None else load_settings().letter.starts


def _rule_row(number: int, rule: Rule) -> dict[str, Any]:
    letter = None if rule.trigger is None else rule.starts(rule.trigger).letter.value
    return {
        "order": number,
        "name": rule.name,
        "departments": list(rule.departments),
        "exclude": list(rule.exclude),
        "classes": list(rule.classes_asked),
        "trigger": rule.trigger.value if rule.trigger else "none",
        "letter": letter,
        "at": rule.at if rule.trigger == "follow_up" else None,
    }


def _report(trial: Trial) -> dict[str, Any]:
    unmatched = [
        {"department": each.department, "patient_class": each.patient_class, "event": each.event, "messages": number}
        for each, number in trial.unmatched.most_common()
    ]
    return {
        "messages": trial.messages,
        "waiting": trial.waiting,
        "refused": trial.refused,
        "would_start": {"letters": len(trial.would), "by": _grouped(trial.would.values())},
        "started": {"letters": len(trial.did), "by": _grouped(trial.did.values())},
        "more": [_row(begun) for begun in trial.more],
        "fewer": [_row(begun) for begun in trial.fewer],
        "unmatched": unmatched,
        "departments": [{"department": name, "messages": n} for name, n in trial.departments.most_common()],
    }


def _grouped(letters: Iterable[Begun]) -> list[dict[str, Any]]:
    counted = Counter((b.department, b.start.trigger.value, b.start.letter.value, b.start.rule) for b in letters)
    return [{**dict(zip(_GROUPED, group, strict=True)), "letters": n} for group, n in counted.most_common()]


def _row(begun: Begun) -> dict[str, Any]:
    return {
        "case": begun.case_id,
        "control_id": begun.control_id,
        "at": begun.at.isoformat(timespec="seconds"),
        "department": begun.department,
        "trigger": begun.start.trigger.value,
        "letter": begun.start.letter.value,
        "rule": begun.start.rule,
    }


def _print(report: dict[str, Any], days: float) -> None:
    print_rows(report["would_start"]["by"], (*_GROUPED, "letters"))
    for name, words in (("more", "letters more than were started"), ("fewer", "letters fewer")):
        if report[name]:
            say(f"{len(report[name])} {words}:")
            print_rows(report[name], ("case", "control_id", "at", *_GROUPED))
    if report["unmatched"]:
        say("no rule was for:")
        print_rows(report["unmatched"], ("department", "patient_class", "event", "messages"))
    say(
        f"these rules would have started {report['would_start']['letters']} letter(s) in the last {days:g} day(s), "
        f"those in force started {report['started']['letters']}; {report['messages']} message(s), "
        f"{report['waiting']} not read yet, {report['refused']} refused"
    )
