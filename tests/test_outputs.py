"""The folder of reports: whole files, a bounded history, nothing where nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters import outputs
from adapters.outputs import OutputFolder


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path / "new")
    assert (folder.report("r"), folder.history()) == (None, [])
    folder.write_report("r", {"a": [1, None]})
    folder.write_picture("p", b"png")
    folder.write_card("20260101T000000Z", "# card")
    assert folder.report("r") == {"a": [1, None]}
    assert (tmp_path / "new/p.png").read_bytes() == b"png"
    assert (tmp_path / "new/model_cards/model_v20260101T000000Z.md").read_text() == "# card"
    assert not list(tmp_path.rglob("*.tmp"))


def test_the_history_keeps_the_newest_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "HISTORY_MAX", 3)
    folder = OutputFolder(tmp_path)
    for n in range(5):
        folder.append_history({"n": n})
    assert [row["n"] for row in folder.history()] == [2, 3, 4]


def test_a_report_that_is_no_json_object_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text("[1")
    (tmp_path / "l.json").write_text("[1]")
    folder = OutputFolder(tmp_path)
    assert folder.report("r") is None and folder.report("l") is None
