"""Who may know whom: the contracts of pyproject.toml hold."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parent.parent
PURE = sorted((ROOT / "recommender").rglob("*.py"))


def test_no_room_imports_what_it_may_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    code = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert code == 0, capsys.readouterr().out


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.name)
def test_the_domain_reads_no_clock_and_opens_no_file(path: Path) -> None:
    """Import contracts cannot see a call of datetime.now() or open()."""
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }
    forbidden = {"now", "utcnow", "today", "time_ns", "monotonic", "perf_counter", "open", "print",
                 "getenv", "urandom"}  # fmt: skip
    assert not called & forbidden
