"""``send``, ``intake``, ``chart``: messages and what they mean."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.hl7.message import read_message, split_messages
from service.chart import build_chart, to_json
from service.cli.files import read_bytes, read_chart_files
from service.cli.output import print_json, print_rows, print_text, say
from service.config import load_settings
from service.errors import UnusableInput
from service.intake import understand
from service.model import Lang

Files = Annotated[list[Path], typer.Argument(help="HL7 v2 files", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_to(app: typer.Typer) -> None:
    app.command()(send)
    app.command()(intake)
    app.command()(chart)


def send(
    files: Files,
    to: Annotated[str, typer.Option(help="HOST:PORT of the listener")],
    tls: Annotated[bool, typer.Option(help="Speak TLS.")] = False,
    ca: Annotated[Path | None, typer.Option(help="Trust this CA certificate (PEM).")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an acknowledgement.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Send HL7 messages over MLLP and print each acknowledgement."""
    from adapters.hl7.mllp_client import ClientTls
    from adapters.hl7.mllp_client import send as send_messages

    host, _, port = to.rpartition(":")
    if not host or not port.isdigit():
        raise UnusableInput("--to", remedy="Give HOST:PORT, such as localhost:2575.")
    bodies = [body for path in files for body in split_messages(read_bytes(path))]
    rows = []
    for ack in send_messages(bodies, host, int(port), tls=ClientTls(ca=ca) if tls else None, timeout=timeout):
        row = {"control_id": ack.control_id, "code": ack.code, "text": ack.text}
        rows.append(row)
        if not as_json:
            print_text(f"{ack.code}  {ack.control_id}  {ack.text}".rstrip())
    if as_json:
        print_json(rows)
    if any(row["code"] not in ("AA", "CA") for row in rows):
        raise typer.Exit(1)


def intake(
    files: Files,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would do; store nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what messages mean: event, case, acknowledgement."""
    if not dry_run:
        raise UnusableInput("--dry-run", remedy="Add --dry-run, or send the files with `epikrise send`.")
    authorities = {system: name for name, system in load_settings().ehr.visit_systems.items()}
    rows: list[dict[str, Any]] = []
    for path in files:
        try:
            bodies = split_messages(read_bytes(path))
        except UnusableInput as error:
            raise UnusableInput(f"{path}: {error.detail}", remedy=error.remedy) from None
        for body in bodies:
            reading = understand(read_message(body), authorities=authorities)
            rows.append(
                {
                    "control_id": reading.control_id,
                    "type": reading.type,
                    "event": reading.event.value,
                    "case": reading.case_key,
                    "ack": asdict(reading.ack),
                    "warnings": list(reading.warnings),
                    "fields": asdict(reading.fields),
                    "starts_letter": reading.starts_letter,
                }
            )
    if as_json:
        print_json(rows)
    else:
        flat = [{**row, "ack": row["ack"]["code"]} for row in rows]
        print_rows(flat, ("control_id", "type", "event", "ack", "starts_letter"))


def chart(
    files: Annotated[list[Path], typer.Argument(help="HL7 v2 files and FHIR R4 Bundles", show_default=False)],
    lang: Annotated[str, typer.Option(help="Language of the displays: de or en.")] = "de",
    as_json: AsJson = False,
) -> None:
    """The facts of a chart, each with its source."""
    data = read_chart_files(files)
    report = to_json(build_chart(data.messages, data.resources), language(lang))
    if as_json:
        print_json(report)
        return
    print_rows(report["facts"], ("handle", "display", "source"))
    for warning in report["warnings"]:
        say(f"warning: {warning}")


def language(text: str) -> Lang:
    """Raises UnusableInput."""
    if text == "de":
        return "de"
    if text == "en":
        return "en"
    raise UnusableInput("--lang", remedy="Give de or en.")
