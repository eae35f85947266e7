"""Settings of one installation: environment variables over ``epikrise.toml`` over defaults.

Read by the entry points and ``service.bootstrap`` only. An unknown key is an error: a misspelt setting
that is silently ignored is found by a patient.
"""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from service.errors import WrongSetting

PREFIX = "EPIKRISE_"
FILE = "epikrise.toml"
Port = Annotated[int, Field(ge=0, le=65535)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Mllp(_Section):
    """The HL7 v2 listener. Port 0 takes a free one. With ``certificate`` and ``key`` it speaks TLS."""

    host: str = "127.0.0.1"
    port: Port = 2575
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    max_message_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)
    max_connections: int = Field(default=1000, ge=1)
    idle_seconds: float = Field(default=300.0, gt=0)


class Web(_Section):
    """Review, operations, health, FHIR intake. ``public_url``: how a physician's browser reaches it."""

    host: str = "127.0.0.1"
    port: Port = 8090
    public_url: str | None = None
    intake_token: SecretStr | None = None


class Ehr(_Section):
    """The EHR's FHIR API. ``visit_systems``: HL7 assigning authority -> FHIR identifier system of visits."""

    fhir_url: str | None = None
    visit_systems: dict[str, str] = {}
    timeout_seconds: float = Field(default=30.0, gt=0)
    token: SecretStr | None = None

    @property
    def authorities(self) -> dict[str, str]:
        """Every name of an authority to one HL7 name, so that ADT and FHIR give one visit one key."""
        names: dict[str, str] = {}
        for authority, system in self.visit_systems.items():
            names[authority] = names.setdefault(system, authority)
        return names


class Store(_Section):
    url: str | None = None


class Broker(_Section):
    url: SecretStr | None = None


class Letter(_Section):
    language: Literal["de", "en"] = "de"


class Model(_Section):
    directory: Path | None = None


class Journey(_Section):
    lease_seconds: float = Field(default=60.0, gt=0.2)
    sweep_seconds: float = Field(default=5.0, gt=0)
    ring_again_seconds: float = Field(default=15.0, gt=0)
    retry_base_seconds: float = Field(default=2.0, gt=0)


class Settings(_Section):
    """All sections. ``home`` holds everything the installation writes."""

    home: Path
    mllp: Mllp = Mllp()
    web: Web = Web()
    ehr: Ehr = Ehr()
    store: Store = Store()
    broker: Broker = Broker()
    letter: Letter = Letter()
    model: Model = Model()
    journey: Journey = Journey()

    @property
    def store_url(self) -> str:
        return self.store.url or f"sqlite:///{self.home / 'epikrise.db'}"

    @property
    def public_url(self) -> str:
        return (self.web.public_url or f"http://{self.web.host}:{self.web.port}").rstrip("/")


def load_settings(**overrides: Any) -> Settings:
    """``overrides`` are sections as dicts (``mllp={"port": 0}``) and win over everything.

    Raises:
        WrongSetting: names every wrong setting and what it may be; never its value.
    """
    home = Path(overrides.pop("home", None) or os.environ.get(f"{PREFIX}HOME") or user_data_path("epikrise"))
    values: dict[str, Any] = {}
    file = home / FILE
    if file.is_file():
        try:
            values = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise WrongSetting(f"{file} is not TOML: {error}", remedy="Mend that line.") from None
    for section, keys in (*_from_environment().items(), *overrides.items()):
        values[section] = {**values.get(section, {}), **keys}
    try:
        return Settings.model_validate({**values, "home": home.expanduser().absolute()})
    except ValidationError as error:
        raise WrongSetting(_explain(error), remedy=f"Set it in {file} or as {PREFIX}SECTION__KEY.") from None


def _from_environment() -> dict[str, dict[str, Any]]:
    """``EPIKRISE_MLLP__PORT=2576`` is ``mllp.port``. Values are read as TOML where they can be."""
    found: dict[str, dict[str, Any]] = {}
    for name, text in os.environ.items():
        if not name.startswith(PREFIX) or name == f"{PREFIX}HOME":
            continue
        section, separator, key = name.removeprefix(PREFIX).lower().partition("__")
        if not separator:
            raise WrongSetting(
                f"{name} is no setting", remedy=f"Settings read {PREFIX}SECTION__KEY, such as {PREFIX}MLLP__PORT."
            )
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        found.setdefault(section, {})[key] = value
    return found


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            lines.append(f"{place}: there is no such setting")
        else:
            lines.append(f"{place}: {problem['msg'][:1].lower()}{problem['msg'][1:]}")
    return "; ".join(lines)
