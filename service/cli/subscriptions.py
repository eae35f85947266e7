"""``subscription``: our Subscription at the EHR."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Annotated

import typer

from adapters.fhir.client import FhirClient
from adapters.fhir.subscription import SubscriptionKeeper
from service.bootstrap import ehr_client, now, open_existing_store
from service.cli.following import REMOVED, wish_of
from service.cli.output import print_json, print_rows, say
from service.config import Settings, load_settings
from service.errors import WrongSetting
from service.ports import Store
from service.subscriptions import OurSubscription, keep_subscription

app = typer.Typer(no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_COLUMNS = ("reference", "state", "events", "end", "error", "at")


@app.command()
def status(as_json: AsJson = False) -> None:
    """How it stands at the EHR, asked now. Exit 1 if it is not active, 3 if the EHR cannot be reached."""
    settings = load_settings()
    with _client(settings) as client:
        keeper = SubscriptionKeeper(client, wish_of(settings))
        seen = keeper.look(now())
        told = keeper.ask(seen.reference) if seen.reference and settings.ehr.subscribe == "backport" else None
    if told is not None:
        seen = replace(seen, events=told.since_start)
    _show(seen, as_json)
    if not seen.is_healthy:
        raise typer.Exit(1)


@app.command()
def on(as_json: AsJson = False) -> None:
    """Make it now, or renew it; `epikrise serve` keeps it from then on."""
    settings = load_settings()
    with _existing_store(settings) as store, _client(settings) as client:
        kept = SubscriptionKeeper(client, wish_of(settings)).keep(now())
        _remember(store, kept, action="subscription_on")
    _show(kept, as_json)


@app.command()
def off(as_json: AsJson = False) -> None:
    """Remove it; `epikrise serve` does not make it again until `epikrise subscription on`."""
    settings = load_settings()
    with _existing_store(settings) as store, _client(settings) as client:
        removed = SubscriptionKeeper(client, wish_of(settings)).remove()
        gone = OurSubscription(state=REMOVED, at=now().isoformat(timespec="seconds"))
        _remember(store, gone, action="subscription_off")
    _show(gone, as_json)
    if not as_json:
        say(f"{removed} removed")


def _client(settings: Settings) -> FhirClient:
    client = ehr_client(settings)
    if client is None:
        raise WrongSetting("ehr.fhir_url is not set", remedy="Name the EHR's FHIR address.")
    return client


@contextmanager
def _existing_store(settings: Settings) -> Iterator[Store]:
    """Before the EHR is changed: what is done there must be kept here."""
    _, store = open_existing_store(settings)
    try:
        yield store
    finally:
        store.close()


def _remember(store: Store, known: OurSubscription, *, action: str) -> None:
    with store.begin() as tx:
        keep_subscription(tx, known)
        tx.audit("operator", action, detail=known.reference)


def _show(known: OurSubscription, as_json: bool) -> None:
    if as_json:
        print_json(asdict(known))
    elif not known.reference and not known.state:
        say("the EHR has no Subscription of ours: `epikrise serve` makes it, or `epikrise subscription on`")
    else:
        print_rows([asdict(known)], _COLUMNS)
