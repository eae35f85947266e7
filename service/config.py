"""Settings of one installation: environment variables over ``epikrise.toml`` over defaults.

Read by the entry points and ``service.bootstrap`` only. An unknown key is an error: a misspelt setting
that is silently ignored is found by a patient.
"""

import os
import re
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from platformdirs import user_data_path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from service.errors import WrongSetting
from service.model import LetterKind, Trigger
from service.starting import BY_DEFAULT, Rule

PREFIX = "EPIKRISE_"
FILE = "epikrise.toml"
Port = Annotated[int, Field(ge=0, le=65535)]


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("is no http(s) address") from None  # without the address in it
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is no http(s) address")
    if parts.username or parts.password:
        raise ValueError("must not hold a user or a password")
    return text


Address = Annotated[str, AfterValidator(_address)]
Pattern = Annotated[str, Field(min_length=1, max_length=200)]
"""A shell pattern: ``*``, ``?``, ``[a-z]``."""


def _network(text: str) -> str:
    try:
        ip_network(text, strict=False)
    except ValueError:
        raise ValueError("is no address and no network, such as 10.1.0.0/16") from None
    return text


def _sender(text: str) -> str:
    if text.count("|") != 1:
        raise ValueError("is not written as MSH-3|MSH-4, such as KIS|KH")
    return text


def _time_zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is no time zone of the IANA database, such as Europe/Berlin") from None
    return text


TimeZone = Annotated[str, AfterValidator(_time_zone)]
Network = Annotated[str, AfterValidator(_network)]
Sender = Annotated[str, AfterValidator(_sender)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Mllp(_Section):
    """The HL7 v2 listener. Port 0 takes a free one. With ``certificate`` and ``key`` it speaks TLS.
    ``allow``: addresses and networks whose peers may send; ``allow_senders``: ``MSH-3|MSH-4``; empty: all."""

    host: str = "127.0.0.1"
    port: Port = 2575
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    max_message_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)
    allow: list[Network] = []
    allow_senders: list[Sender] = []
    max_connections: int = Field(default=4096, ge=1)
    idle_seconds: float = Field(default=300.0, gt=0)
    frame_seconds: float = Field(default=60.0, gt=0)

    @model_validator(mode="after")
    def _whole_tls(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together: set both, or neither")
        if self.client_ca is not None and self.certificate is None:
            raise ValueError("client_ca needs certificate and key")
        return self


class Hl7(_Section):
    """``time_zone``: IANA name of the hospital's zone, which HL7 times without an offset are in."""

    time_zone: TimeZone = "Europe/Berlin"

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


class Web(_Section):
    """Review, operations, health, FHIR intake. ``public_url``: how a physician's browser reaches it.
    ``content_token``: who may see what messages say, in the message browser; unset, nobody."""

    host: str = "127.0.0.1"
    port: Port = 8090
    public_url: Address | None = None
    intake_token: SecretStr | None = None
    content_token: SecretStr | None = Field(default=None, min_length=16)


class Ehr(_Section):
    """The EHR's FHIR API. ``visit_systems``, ``patient_systems``: HL7 assigning authority -> FHIR identifier system
    of visits, of patients. ``client_id`` and ``client_key`` (PEM or JWK file) are those of SMART Backend Services;
    without them ``token`` is sent as it is, with them it is not used. ``poll_seconds`` 0: never asked without a notification."""

    fhir_url: Address | None = None
    visit_systems: dict[str, str] = {}
    patient_systems: dict[str, str] = {}
    timeout_seconds: float = Field(default=30.0, gt=0)
    token: SecretStr | None = None
    client_id: str | None = None
    client_key: Path | None = None
    token_url: Address | None = None
    scope: str = (
        "system/*.rs system/DocumentReference.cruds system/Task.cruds system/Provenance.cruds "
        "system/Device.cruds system/Subscription.cruds"
    )
    subscribe: Literal["off", "classic", "backport"] = "off"
    topic: str | None = None
    criteria: str = Field(default="Encounter?", pattern=r"^[A-Z][A-Za-z]+\?[^\s#]*$")
    poll_seconds: float = Field(default=0.0, ge=0)
    poll_overlap_seconds: float = Field(default=120.0, ge=0)

    @model_validator(mode="after")
    def _whole_client(self) -> Self:
        if (self.client_id is None) != (self.client_key is None):
            raise ValueError("client_id and client_key go together: set both, or neither")
        if self.subscribe == "backport" and self.topic is None:
            raise ValueError("subscribe backport needs topic, the canonical address of the server's topic")
        if self.fhir_url is None and (self.subscribe != "off" or self.poll_seconds):
            raise ValueError("subscribe and poll_seconds need fhir_url")
        return self

    @property
    def authorities(self) -> dict[str, str]:
        """Every name of an authority to one HL7 name, so that ADT and FHIR give one visit one key."""
        names: dict[str, str] = {}
        for authority, system in (*self.visit_systems.items(), *self.patient_systems.items()):
            name = names.get(authority) or names.get(system) or authority
            names.setdefault(authority, name)
            names.setdefault(system, name)
        return names


def _store_url(url: SecretStr) -> SecretStr:
    scheme, _, rest = url.get_secret_value().partition("://")
    names_file = rest.startswith("/") and rest.strip("/") not in ("", ":memory:")
    is_sqlite = scheme in ("sqlite", "sqlite+pysqlite") and names_file
    if not is_sqlite and not (scheme in ("postgresql", "postgresql+psycopg") and rest):
        raise ValueError("is neither sqlite:////path/to/file.db nor postgresql://user:password@host/database")
    return url


class Store(_Section):
    """``url``: ``sqlite:////path/file.db`` or ``postgresql://user:password@host/database``; SQLite in ``home`` if unset."""

    url: Annotated[SecretStr, AfterValidator(_store_url)] | None = None


class Broker(_Section):
    """``url``: ``redis://…``; unset, `epikrise serve` runs a Redis of its own in ``home``."""

    url: SecretStr | None = None


class LetterRule(_Section):
    """One rule of what starts a letter; ``trigger`` ``none`` switches its departments off."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    departments: tuple[Pattern, ...] = Field(default=("*",), min_length=1)
    exclude: tuple[Pattern, ...] = ()
    classes: tuple[Annotated[str, Field(pattern=r"^[A-Za-z]{1,8}$")], ...] = ()
    trigger: Literal["discharge", "course_end", "follow_up", "request", "none"]
    letter: LetterKind | None = None
    at: Literal["start", "end"] | None = None

    @model_validator(mode="after")
    def _whole_rule(self) -> Self:
        if self.at is not None and self.trigger != "follow_up":
            raise ValueError("at belongs to the trigger follow_up only: remove it")
        if self.letter is not None and self.trigger == "none":
            raise ValueError("the trigger none writes no letter: remove letter")
        return self

    def as_rule(self) -> Rule:
        return Rule(
            name=self.name,
            trigger=None if self.trigger == "none" else Trigger(self.trigger),
            departments=self.departments,
            exclude=self.exclude,
            classes=self.classes,
            letter=self.letter,
            at=self.at or "end",
        )


class Letter(_Section):
    """``language`` of the letters, whatever the pages' language. ``rules``: what starts one, first match first;
    without any, each discharge."""

    language: Literal["de", "en"] = "de"
    rules: tuple[LetterRule, ...] = ()

    @model_validator(mode="after")
    def _distinct_names(self) -> Self:
        names = [rule.name for rule in self.rules]
        if len(set(names)) != len(names):
            raise ValueError("rules: each rule needs a name of its own")
        return self

    @property
    def starts(self) -> tuple[Rule, ...]:
        return tuple(rule.as_rule() for rule in self.rules) or BY_DEFAULT


class Chart(_Section):
    """``obx_mapping``: YAML file of the institution's own codes; the shipped example if unset."""

    obx_mapping: Path | None = None


class Model(_Section):
    """``directory`` with manifest.json, base/ and lora/; the demonstration model if unset."""

    directory: Path | None = None


class Journey(_Section):
    """Seconds: until a silent worker's step is another's, between sweeps, until a bell is rung again, and the
    first wait after a transient error (it doubles)."""

    lease_seconds: float = Field(default=60.0, gt=0.2)
    sweep_seconds: float = Field(default=5.0, gt=0)
    ring_again_seconds: float = Field(default=15.0, gt=0)
    retry_base_seconds: float = Field(default=2.0, gt=0)


class Settings(_Section):
    """All sections. ``home`` holds everything the installation writes."""

    home: Path
    mllp: Mllp = Mllp()
    hl7: Hl7 = Hl7()
    web: Web = Web()
    ehr: Ehr = Ehr()
    store: Store = Store()
    broker: Broker = Broker()
    letter: Letter = Letter()
    chart: Chart = Chart()
    model: Model = Model()
    journey: Journey = Journey()

    @property
    def store_url(self) -> str:
        return self.store.url.get_secret_value() if self.store.url else f"sqlite:///{self.home / 'epikrise.db'}"

    @property
    def public_url(self) -> str:
        return (self.web.public_url or f"http://{self.web.host}:{self.web.port}").rstrip("/")


def load_settings(**overrides: Any) -> Settings:
    """``overrides`` are sections as dicts (``mllp={"port": 0}``) and win over everything.

    Raises:
        WrongSetting: names every wrong setting and what it may be; never its value.
    """
    home = Path(overrides.pop("home", None) or os.environ.get(f"{PREFIX}HOME") or user_data_path("epikrise"))
    file = home / FILE
    values = _read_toml(file) if file.is_file() else {}
    if "home" in values:
        raise WrongSetting(f"{file}: home cannot be set there", remedy=f"Set {PREFIX}HOME.")
    for section, keys in (*_from_environment().items(), *overrides.items()):
        written = values.get(section, {})
        values[section] = {**written, **keys} if isinstance(written, dict) else written
    try:
        return Settings.model_validate({**values, "home": home.expanduser().absolute()})
    except ValidationError as error:
        raise WrongSetting(_explain(error), remedy=f"Set it in {file} or as {PREFIX}SECTION__KEY.") from None


def load_rules(file: Path) -> tuple[Rule, ...]:
    """The ``[[letter.rules]]`` of a file that is to be tried out, such as a copy of ``epikrise.toml``; what else it
    holds is not looked at.

    Raises:
        WrongSetting: names every wrong setting and what it may be; never its value.
    """
    letter = _read_toml(file).get("letter")
    if not isinstance(letter, dict) or not letter.get("rules"):
        raise WrongSetting(f"{file} has no letter.rules", remedy="Write the rules as [[letter.rules]].")
    try:
        return Letter.model_validate({"rules": letter["rules"]}).starts
    except ValidationError as error:
        raise WrongSetting(_explain(error, within="letter."), remedy=f"Mend it in {file}.") from None


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise WrongSetting(f"{file} is not TOML{_place(error)}", remedy="Mend that line.") from None
    except UnicodeDecodeError:
        raise WrongSetting(f"{file} is not UTF-8", remedy="Save it as UTF-8.") from None
    except OSError as error:
        raise WrongSetting(f"{file}: {error.strerror}", remedy="Name a file that this user can read.") from None


def _from_environment() -> dict[str, dict[str, Any]]:
    """``EPIKRISE_MLLP__PORT=2576`` is ``mllp.port``. A table or an array is written as in TOML; all else is text
    that its setting reads, so that a token of digits stays one."""
    found: dict[str, dict[str, Any]] = {}
    for name, text in os.environ.items():
        if not name.startswith(PREFIX) or name == f"{PREFIX}HOME":
            continue
        section, separator, key = name.removeprefix(PREFIX).lower().partition("__")
        if not separator:
            raise WrongSetting(
                f"{name} is no setting", remedy=f"Settings read {PREFIX}SECTION__KEY, such as {PREFIX}MLLP__PORT."
            )
        value: Any = text
        if text[:1] in ("{", "["):
            try:
                value = tomllib.loads(f"value = {text}")["value"]
            except tomllib.TOMLDecodeError:
                raise WrongSetting(
                    f"{name} is no TOML table or array", remedy='Write it as {"KIS" = "urn:…"}.'
                ) from None
        found.setdefault(section, {})[key] = value
    return found


def _place(error: tomllib.TOMLDecodeError) -> str:
    """Line and column; the rest of the message may quote the file."""
    found = re.search(r"\(at [^()]+\)\Z", str(error))
    return f" {found[0]}" if found else ""


def _explain(error: ValidationError, within: str = "") -> str:
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        place = within + ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            lines.append(f"{place}: there is no such setting")
        else:
            words = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{place}: {words[:1].lower()}{words[1:]}")
    return "; ".join(lines)
