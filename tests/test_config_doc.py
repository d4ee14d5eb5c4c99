"""docs/config.md says what settings.py says."""

from __future__ import annotations

from pathlib import Path

from commands.config_doc import config_document
from fairreel import main
from settings import PREFIX, Settings

DOCUMENT = Path(__file__).parent.parent / "docs" / "config.md"


def test_the_documentation_is_up_to_date() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == config_document(), "run `make docs`"


def test_every_setting_is_in_it_once_with_a_description() -> None:
    rows = [line for line in config_document().splitlines() if line.startswith("| `")]
    assert len(rows) == len(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        row = next(row for row in rows if row.startswith(f"| `{PREFIX}{name.upper()}` |"))
        assert field.description
        assert " ".join(field.description.split()).replace("|", "\\|") in row


def test_defaults_and_limits_are_shown() -> None:
    text = config_document()
    assert "| `FAIRREEL_PORT` | whole number, >= 1, <= 65535 | `5000` |" in text
    assert "| `FAIRREEL_CORS_ORIGINS` | list of text | `[]` |" in text
    assert "| `FAIRREEL_PROFILE` | `development` or `production` | `development` |" in text


def test_a_file_that_is_out_of_date_is_told_and_mended(tmp_path: Path) -> None:
    path = tmp_path / "config.md"
    path.write_text("old")
    assert main(["config-doc", "--out", str(path), "--check"]) == 1
    assert main(["config-doc", "--out", str(path)]) == 0
    assert main(["config-doc", "--out", str(path), "--check"]) == 0
    assert path.read_text(encoding="utf-8") == config_document()
