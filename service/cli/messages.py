"""``send``, ``intake``, ``chart``: messages and what they mean."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.hl7.message import read_message, split_messages
from service.chart import build_chart, open_mapping, to_json
from service.cli.files import read_bytes, read_chart_files
from service.cli.output import complain, print_json, print_rows, print_text, say
from service.config import load_settings
from service.errors import UnusableInput
from service.intake import understand
from service.model import Lang
from service.occasion import hl7_occasion
from service.starting import Decision, decide

Files = Annotated[list[Path], typer.Argument(help="HL7 v2 files", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_to(app: typer.Typer) -> None:
    app.command()(send)
    app.command()(intake)
    app.command()(chart)


def send(
    files: Files,
    *,
    to: Annotated[str, typer.Option(help="HOST:PORT of the listener")],
    tls: Annotated[bool, typer.Option("--tls", help="Speak TLS; implied by the options below.")] = False,
    ca: Annotated[Path | None, typer.Option(help="Trust this authority (PEM).")] = None,
    cert: Annotated[Path | None, typer.Option(help="Our certificate (PEM), where the listener asks.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None,
    server_name: Annotated[str | None, typer.Option(help="The name in the listener's certificate.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for an acknowledgement.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Send HL7 messages over MLLP and print how each was acknowledged. Exit 1 if one was refused."""
    from adapters.hl7.mllp_client import ClientTls
    from adapters.hl7.mllp_client import send as send_messages

    host, port = _address(to)
    secure = ClientTls(ca=ca, certificate=cert, key=key, server_name=server_name)
    with_tls = tls or secure != ClientTls()
    bodies = [body for path in files for body in _bodies(path)]
    rows: list[dict[str, Any]] = []
    all_taken = True
    try:
        for told in send_messages(bodies, host, port, tls=secure if with_tls else None, timeout=timeout):
            row = {
                "control_id": told.control_id,
                "code": told.code or None,
                "application": told.application.code if told.application else None,
                "error": told.error_code or None,
                "text": told.text,
            }
            rows.append(row)
            all_taken = all_taken and told.is_positive
            if not as_json:
                print_text("  ".join(str(value) for value in row.values() if value))
    finally:
        if as_json:  # also what was acknowledged before the listener fell silent
            print_json(rows)
    if not all_taken:
        raise typer.Exit(1)


def intake(
    files: Files,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would do; store nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what messages mean: event, case, acknowledgement."""
    if not dry_run:
        complain("intake only says what messages mean: add --dry-run, or send the files with `epikrise send`")
        raise typer.Exit(2)
    settings = load_settings()
    authorities = settings.ehr.authorities
    mapping = open_mapping(settings.chart.obx_mapping)
    rows: list[dict[str, Any]] = []
    for path in files:
        for body in _bodies(path):
            message = read_message(body)
            reading = understand(message, authorities=authorities, local=settings.hl7.zone)
            decision = decide(settings.letter.starts, reading, hl7_occasion(message, mapping))
            rows.append(
                {
                    "control_id": reading.control_id,
                    "type": reading.type,
                    "event": reading.event.value,
                    "case": reading.case_key,
                    "ack": asdict(reading.ack),
                    "warnings": list(reading.warnings),
                    "fields": asdict(reading.fields),
                    "starts_letter": decision.start is not None,
                    "rule": _decided(decision),
                }
            )
    if as_json:
        print_json(rows)
    else:
        flat = [{**row, "ack": row["ack"]["code"]} for row in rows]
        print_rows(flat, ("control_id", "type", "event", "ack", "starts_letter", "case"))
        for row in rows:
            for told in filter(None, (row["ack"]["error"] and row["ack"]["error"]["text"], *row["warnings"])):
                say(f"{row['control_id']}: {told}")


def _decided(decision: Decision) -> dict[str, str | None]:
    start = decision.start
    return {
        "name": decision.rule or None,
        "trigger": None if start is None else start.trigger.value,
        "letter": None if start is None else start.letter.value,
        "reason": decision.reason,
    }


def chart(
    files: Annotated[list[Path], typer.Argument(help="HL7 v2 files and FHIR R4 Bundles", show_default=False)],
    lang: Annotated[str, typer.Option(help="Language of the displays: de or en.")] = "de",
    as_json: AsJson = False,
) -> None:
    """The facts of a chart, each with its source."""
    data = read_chart_files(files)
    settings = load_settings()
    mapping = open_mapping(settings.chart.obx_mapping)
    built = build_chart(data.messages, data.resources, mapping=mapping, local=settings.hl7.zone)
    report = to_json(built, language(lang))
    if as_json:
        print_json(report)
        return
    print_rows(report["facts"], ("handle", "display", "source"))
    if not report["facts"]:
        say("no facts: the files hold nothing that a chart is made of")
    for warning in report["warnings"]:
        say(f"warning: {warning}")


def language(text: str) -> Lang:
    """Raises UnusableInput."""
    if text == "de":
        return "de"
    if text == "en":
        return "en"
    raise UnusableInput("--lang", remedy="Give de or en.")


def _address(text: str) -> tuple[str, int]:
    """``host:port``, ``[::1]:port``. Raises UnusableInput."""
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise UnusableInput("--to", remedy="Give HOST:PORT, such as localhost:2575.")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _bodies(path: Path) -> Iterable[bytes]:
    """The messages of one file. Raises UnusableInput naming the file."""
    data = read_bytes(path)
    try:
        return split_messages(data)
    except UnusableInput as error:
        raise UnusableInput(f"{path}: {error.detail}", remedy=error.remedy) from None
