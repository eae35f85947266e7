"""``draft``, ``verify``, ``model``: letters without a store and without an EHR."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from service.chart import build_chart, open_mapping, to_json
from service.cli.files import read_bytes, read_chart_files
from service.cli.messages import language
from service.cli.output import print_json, print_rows, print_text, say
from service.config import load_settings
from service.errors import UnusableInput
from service.letter import resolve, span_payloads, verification_report
from service.model import Letter, Severity, Verification
from service.verify import verify as verify_letter

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
model_app = typer.Typer(no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    app.command()(draft)
    app.command()(verify)


def draft(
    files: Annotated[list[Path], typer.Argument(help="HL7 v2 files and FHIR R4 Bundles", show_default=False)],
    model: Annotated[Path | None, typer.Option(help="Model directory; default: the settings', else ours.")] = None,
    lang: Annotated[str | None, typer.Option(help="Language of the letter: de or en.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write one letter from a chart; nothing is stored or sent."""
    from workers.app import model_directory
    from workers.writer.engine import open_writer

    settings = load_settings()
    chosen = language(lang) if lang else settings.letter.language
    data = read_chart_files(files)
    mapping = open_mapping(settings.chart.obx_mapping)
    chart = build_chart(data.messages, data.resources, mapping=mapping, local=settings.hl7.zone)
    if not any(fact.handle.startswith(("diagnosis.", "course.")) for fact in chart.facts):
        raise UnusableInput("the chart has no diagnosis and no course", remedy="Add the files that hold them.")
    directory = model or model_directory(settings)
    say(f"model: {directory}")
    raw = open_writer(directory).write(chart, chosen)
    letter = resolve(raw, chart)
    verification = verify_letter(letter.text, chart, chosen, spans=letter.spans)
    if not as_json:
        print_text(letter.text)
        _tell(verification, letter)
        return
    report = verification_report(verification, chosen)
    writer = letter.writer
    print_json(
        {
            "letter": letter.text,
            "raw": letter.raw,
            "spans": span_payloads(letter.spans),
            "findings": report["findings"],
            "verdict": report["verdict"],
            "facts": to_json(chart, chosen)["facts"],
            "ledger": report["facts"],
            "writer": {
                "base": writer.base,
                "lora": writer.lora,
                "prompt": writer.prompt,
                "handles": writer.handles,
                "tokens": writer.tokens,
                "seconds": round(writer.seconds, 3),
            }
            if writer
            else None,
        }
    )


def verify(
    chart: Annotated[list[Path], typer.Option("--chart", help="Chart file; may repeat.")],
    letter: Annotated[Path, typer.Option("--letter", help="Plain text letter (UTF-8).")],
    lang: Annotated[str | None, typer.Option(help="Language of the letter; detected if not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check any letter against a chart. Exit 1 if anything blocks."""
    data = read_chart_files(chart)
    settings = load_settings()
    mapping = open_mapping(settings.chart.obx_mapping)
    facts = build_chart(data.messages, data.resources, mapping=mapping, local=settings.hl7.zone)
    try:
        text = read_bytes(letter).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnusableInput(f"{letter} is not UTF-8", remedy="Save it as UTF-8 text.") from None
    verification = verify_letter(text, facts, language(lang) if lang else None)
    if as_json:
        print_json(verification_report(verification, language(lang) if lang else "en"))
    else:
        _tell(verification)
    if verification.verdict == "blocked":
        raise typer.Exit(1)


def _tell(verification: Verification, letter: Letter | None = None) -> None:
    lang = letter.lang if letter else "en"
    say(f"verdict: {verification.verdict}; facts stated {verification.stated}, missing {verification.missing}")
    for finding in verification.findings:
        if finding.severity is not Severity.INFO:
            message = finding.message.in_(lang)
            quoted = f" “{finding.text}”" if finding.text and finding.text not in message else ""
            say(f"{finding.severity.value}: {message}{quoted}")


@model_app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """The model that `epikrise worker` would use."""
    from workers.app import model_directory
    from workers.writer.manifest import verify_manifest

    directory = model_directory(load_settings())
    manifest = verify_manifest(directory)
    rows: list[dict[str, Any]] = [
        {
            "name": manifest.name,
            "path": str(directory),
            "active": True,
            "digests": dict(manifest.files),
        }
    ]
    if as_json:
        print_json(rows)
    else:
        print_rows([{**row, "digests": json.dumps(row["digests"])[:60]} for row in rows], ("name", "path", "active"))


@model_app.command("verify")
def verify_model(
    directory: Annotated[Path | None, typer.Argument(help="Model directory; default: the one in use.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare every file of a model with its manifest. Exit 3 if one is missing, added or changed."""
    from workers.app import model_directory
    from workers.writer.manifest import verify_manifest

    chosen = directory or model_directory(load_settings())
    manifest = verify_manifest(chosen)
    if as_json:
        print_json({"name": manifest.name, "path": str(chosen), "files": len(manifest.files), "intact": True})
    else:
        say(f"{manifest.name}: {len(manifest.files)} files agree with their digests")
