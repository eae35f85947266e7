"""Settings: environment over file over defaults, and no misspelt key goes unnoticed."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from service.config import load_settings
from service.errors import WrongSetting


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EPIKRISE_HOME", str(tmp_path))
    return tmp_path


def test_an_installation_without_any_setting_keeps_everything_in_its_home(home: Path) -> None:
    settings = load_settings()

    assert settings.home == home
    assert settings.store_url == f"sqlite:///{home / 'epikrise.db'}"
    assert settings.public_url == "http://127.0.0.1:8090"


def test_the_environment_wins_over_the_file_and_the_file_over_defaults(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "epikrise.toml").write_text("[mllp]\nport = 3001\nhost = '10.0.0.1'\n")
    monkeypatch.setenv("EPIKRISE_MLLP__PORT", "3002")

    mllp = load_settings().mllp

    assert (mllp.port, mllp.host, mllp.max_connections) == (3002, "10.0.0.1", 4096)
    assert load_settings(mllp={"port": 0}).mllp.port == 0


@pytest.mark.parametrize("token", ["123456", "true", "1e9", "2026-02-01", "a b", '"quoted"'])
def test_a_token_from_the_environment_stays_the_text_that_it_is(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("EPIKRISE_EHR__TOKEN", token)

    assert load_settings().ehr.token == SecretStr(token)


def test_a_table_in_the_environment_is_written_as_in_toml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPIKRISE_EHR__VISIT_SYSTEMS", '{"KIS" = "https://kh.example/fall"}')

    assert load_settings().ehr.visit_systems == {"KIS": "https://kh.example/fall"}


def test_every_wrong_setting_is_named_at_once_and_no_value_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPIKRISE_MLLP__PORT", "geheim-1")
    monkeypatch.setenv("EPIKRISE_JOURNEY__LEASE_SECONDS", "geheim-2")
    monkeypatch.setenv("EPIKRISE_WEB__COLOUR", "geheim-3")

    with pytest.raises(WrongSetting) as refused:
        load_settings()

    text = str(refused.value)
    assert "mllp.port" in text
    assert "journey.lease_seconds" in text
    assert "web.colour: there is no such setting" in text
    assert "geheim" not in text


def test_a_section_that_is_no_table_is_named_even_beside_the_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "epikrise.toml").write_text("mllp = 5\n")
    monkeypatch.setenv("EPIKRISE_MLLP__PORT", "2575")

    with pytest.raises(WrongSetting, match="mllp"):
        load_settings()


def test_a_file_that_is_no_toml_is_told_by_its_place_and_not_by_its_content(home: Path) -> None:
    (home / "epikrise.toml").write_text("[ehr]\ntoken = geheim\n")

    with pytest.raises(WrongSetting, match=r"epikrise\.toml is not TOML \(at line 2, column \d+\)") as refused:
        load_settings()
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize("section", ["store", "broker"])
def test_an_address_that_holds_a_password_is_never_shown(section: str) -> None:
    settings = load_settings(**{section: {"url": "postgresql://u:geheim@db/e"}})

    assert "geheim" not in repr(settings) + str(settings.model_dump(mode="json"))


@pytest.mark.parametrize(
    "url", ["ftp://ehr/fhir", "ehr.example/fhir", "https://", "https://u:geheim@ehr/fhir", "http://[::1"]
)
def test_an_address_of_the_ehr_is_http_and_holds_no_password(url: str) -> None:
    with pytest.raises(WrongSetting, match=r"ehr\.fhir_url") as refused:
        load_settings(ehr={"fhir_url": url})
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize("given", [{"certificate": "c.pem"}, {"key": "k.pem"}, {"client_ca": "ca.pem"}])
def test_tls_is_set_whole_or_not_at_all(given: dict[str, str]) -> None:
    with pytest.raises(WrongSetting, match="mllp: c"):
        load_settings(mllp=given)


def test_what_starts_a_letter_is_read_from_the_file_and_without_rules_is_the_discharge(home: Path) -> None:
    assert [rule.trigger for rule in load_settings().letter.starts] == ["discharge"]
    (home / "epikrise.toml").write_text(
        '[[letter.rules]]\nname = "RT"\ndepartments = ["RT*"]\ntrigger = "course_end"\n'
        '[[letter.rules]]\nname = "off"\ntrigger = "none"\n'
    )

    rules = load_settings().letter.starts

    assert [(rule.name, rule.trigger, rule.departments) for rule in rules] == [
        ("RT", "course_end", ("RT*",)),
        ("off", None, ("*",)),
    ]


def test_rules_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPIKRISE_LETTER__RULES", '[{name = "visits", trigger = "follow_up", at = "start"}]')

    assert [(rule.name, rule.at) for rule in load_settings().letter.starts] == [("visits", "start")]


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        ('trigger = "discharge"', "letter.rules.0.name"),
        ('name = "a"\ntrigger = "birthday"', "letter.rules.0.trigger"),
        ('name = "a"\ntrigger = "discharge"\ncolour = 1', "letter.rules.0.colour: there is no such setting"),
        ('name = "a"\ntrigger = "discharge"\nat = "end"', "letter.rules.0: at belongs to the trigger follow_up"),
        ('name = "a"\ntrigger = "none"\nletter = "discharge"', "letter.rules.0: the trigger none writes no letter"),
        ('name = "a"\ntrigger = "none"\n[[letter.rules]]\nname = "a"\ntrigger = "none"', "letter: rules: each rule"),
    ],
)
def test_a_wrong_rule_is_named_with_its_place(home: Path, rule: str, place: str) -> None:
    (home / "epikrise.toml").write_text(f"[[letter.rules]]\n{rule}\n")

    with pytest.raises(WrongSetting) as refused:
        load_settings()

    assert place in str(refused.value)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "Europe", "/etc/localtime", "../UTC", "+01:00", "x" * 300])
def test_a_time_zone_is_one_of_the_iana_database(name: str) -> None:
    with pytest.raises(WrongSetting, match=r"hl7\.time_zone: is no time zone .* Europe/Berlin.*EPIKRISE_SECTION__KEY"):
        load_settings(hl7={"time_zone": name})


def test_the_time_zone_is_berlin_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().hl7.zone.key == "Europe/Berlin"
    monkeypatch.setenv("EPIKRISE_HL7__TIME_ZONE", "America/New_York")
    assert load_settings().hl7.zone.key == "America/New_York"
