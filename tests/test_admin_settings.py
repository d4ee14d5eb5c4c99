"""The settings in force, with their source and without secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from settings import PREFIX, Settings
from settings_in_force import settings_in_force, shown, without_passwords
from tests.admin_desk import logged_in
from web.services import SettingInForce


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No `.env` and no environment but that of the test."""
    monkeypatch.chdir(tmp_path)


def by_name(settings: Settings) -> dict[str, SettingInForce]:
    return {s.name.removeprefix(PREFIX).lower(): s for s in settings_in_force(settings)}


def test_every_setting_is_listed_once_with_what_it_means() -> None:
    rows = settings_in_force(Settings())
    assert sorted(row.name for row in rows) == sorted(
        PREFIX + name.upper() for name in Settings.model_fields)
    assert all(row.about and row.group and row.value for row in rows)


def test_the_source_is_the_environment_the_file_or_the_default(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(".env").write_text(f"{PREFIX}PORT=5011\n{PREFIX}MODELS_KEPT=4\n")
    monkeypatch.setenv(f"{PREFIX}PORT", "5012")
    rows = by_name(Settings())
    assert (rows["port"].value, rows["port"].source) == ("5012", "environment")
    assert (rows["models_kept"].value, rows["models_kept"].source) == ("4", ".env")
    assert (rows["host"].value, rows["host"].source) == ("127.0.0.1", "default")
    assert by_name(Settings(port=5013))["port"].value == "5013"


def test_a_default_that_depends_on_others_is_shown_as_it_came_out() -> None:
    rows = by_name(Settings(profile="production"))
    assert rows["client_keys_required"].value == "yes" and rows["ratings_per_hour"].value == "20"
    assert rows["cookies_secure"].value == "yes"
    assert rows["store_url"].value == "sqlite:///data/store.db"
    assert rows["store_url"].source == "default"
    assert by_name(Settings())["ratings_per_hour"].value == "none"


@pytest.mark.parametrize(("url", "seen"), [
    ("postgresql://fair:s3cret@db/x", "postgresql://fair:(hidden)@db/x"),
    ("postgresql://fair:s3cr@et/a@db/x", "postgresql://fair:(hidden)@db/x"),
    ("redis://:s3cret@cache:6379/0", "redis://:(hidden)@cache:6379/0"),
    ("s3://bucket/p?key=AK&secret=s3cret&endpoint=e", "s3://bucket/p?key=(hidden)&secret=(hidden)"
     "&endpoint=e"),
    ("postgresql://db/x?user=f&password=s3cret", "postgresql://db/x?user=f&password=(hidden)"),
    ("postgresql://fair@db/x", "postgresql://fair@db/x"),
    ("sqlite:///data/store.db", "sqlite:///data/store.db"),
    ("https://shop.example:8443", "https://shop.example:8443"),
])
def test_passwords_in_urls_are_hidden(url: str, seen: str) -> None:
    assert without_passwords(url) == seen
    assert "s3cr" not in by_name(Settings(store_url=url))["store_url"].value


@pytest.mark.parametrize("name", ["kafka_password", "slack_webhook_url", "s3_secret", "api_token"])
def test_settings_named_as_secrets_are_hidden_whole(name: str) -> None:
    assert shown(name, "s3cret") == "(hidden)" and shown(name, None) == "none"
    assert shown("session_secret_file", Path("k/s")) == "k/s"


def test_empty_values_are_shown_as_none_and_maps_entry_by_entry() -> None:
    rows = by_name(Settings(kafka_topic_names={"ratings": "movielog", "browse-events": "seen"},
                            kafka_key_password="open-sesame"))
    assert rows["kafka_topic_names"].value == "ratings: movielog, browse-events: seen"
    assert by_name(Settings())["kafka_topic_names"].value == "none"
    assert rows["kafka_topic_prefix"].value == "none"
    assert rows["kafka_key_password"].value == "(hidden)"


def test_the_page_shows_them_by_group() -> None:
    desk = logged_in(settings=(
        SettingInForce("Web server", "FAIRREEL_PORT", "5012", "environment", "Port <b>"),
        SettingInForce("Data", "FAIRREEL_STORE_URL", "sqlite:///x", "default", "Where")))
    answer = desk.get("/admin/settings").text
    assert "Port &lt;b&gt;" in answer and answer.index("Web server") < answer.index("Data")
    text = desk.text("/admin/settings")
    assert "5012 environment" in text and "sqlite:///x default" in text


def test_the_page_without_settings_says_so() -> None:
    assert "No settings are known here." in logged_in().text("/admin/settings")
