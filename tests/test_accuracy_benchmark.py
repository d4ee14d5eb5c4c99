"""Where the accuracy benchmark looks for its data."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.accuracy import find_sources, main


@pytest.mark.parametrize("given", ["", "ml-100k"])
def test_a_data_set_is_found_in_its_parent_and_in_its_own_folder(
    tmp_path: Path, given: str
) -> None:
    file = tmp_path / "ml-100k" / "u.data"
    file.parent.mkdir()
    file.write_text("1\t10\t4\t881250949\n")
    assert [(name, path) for name, path, _ in find_sources(tmp_path / given)] == [
        ("ml-100k", file)
    ]


def test_a_folder_without_data_ends_with_2_and_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--data", str(tmp_path)])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1 and str(tmp_path) in result.stderr
