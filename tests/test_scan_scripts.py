"""The scan scripts as they are called: files in all forms, the report, errors in one line."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.item_table import read_item_table
from adapters.log_files import log_lines
from recommender.audit.log_lines import records_of
from recommender.errors import UnreadableImport

ROOT = Path(__file__).parent.parent
LOG = b"".join(json.dumps({"user_id": n, "movie_ids": [1, 2, n], "variant": "AB"[n % 2]}).encode()
               + b"\n" for n in range(6))


def run(
    script: str, *arguments: str, stdin: bytes = b"", folder: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, str(ROOT / "scripts" / script), *arguments],
                          input=stdin, capture_output=True, cwd=folder, timeout=60)


def test_a_report_is_printed_and_written_from_any_folder(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(gzip.compress(LOG[:80]) + gzip.compress(LOG[80:]))
    (tmp_path / "films.csv").write_text("movie_id,genres\n1,A|B\n2,A\n3,C\n9,C\n")
    done = run("fairness_bias_scan.py", "--responses", "log", "--catalog", "films.csv",
               "--genres", "films.csv", "--out", "new/report.json", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    report = json.loads(done.stdout)
    assert json.loads((tmp_path / "new/report.json").read_text()) == report
    assert report["total_recommendations"] == 18 and report["lines_read"] == 6
    assert report["catalog"]["size"] == 4 and report["catalog"]["coverage"] == 0.75
    assert set(report["variants"]) == {"A", "B"}


def test_standard_input_is_read_whether_compressed_or_not() -> None:
    for given in (LOG, gzip.compress(LOG), b"\xef\xbb\xbf" + LOG):
        done = run("fairness_bias_scan.py", "--responses", "-", stdin=given)
        assert json.loads(done.stdout)["total_recommendations"] == 18


def test_the_scan_of_events_reports() -> None:
    events = b'{"user_id": 1, "movie_id": 2}\n{"user_id": "1", "item_id": "3"}\n{"user_id": 1}\nx\n'
    done = run("security_anomaly_scan.py", "--events", "-", stdin=events)
    report = json.loads(done.stdout)
    assert (report["total_events"], report["unique_users"]) == (2, 1)
    assert (report["schema_errors"], report["lines_unreadable"]) == (1, 1)


@pytest.mark.parametrize(("script", "arguments"), [
    ("fairness_bias_scan.py", ("--responses", "-")),
    ("fairness_bias_scan.py", ("--responses", "not-there")),
    ("fairness_bias_scan.py", ("--responses", ".")),
    ("fairness_bias_scan.py", ("--responses", "-", "--top-percent", "10")),
    ("fairness_bias_scan.py", ("--responses", "-", "--top-percent", "nan")),
    ("fairness_bias_scan.py", ("--responses", "-", "--catalog", "not-there")),
    ("fairness_bias_scan.py", ()),
    ("security_anomaly_scan.py", ("--events", "-")),
    ("security_anomaly_scan.py", ("--events", "not-there")),
    ("security_anomaly_scan.py", ("--nonsense",)),
])
def test_what_cannot_be_used_is_one_line_and_exit_2(script: str, arguments: tuple[str]) -> None:
    done = run(script, *arguments, stdin=b'nonsense\n{"user_id": 1}\n')
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"error: ") and done.stderr.count(b"\n") == 1


def test_a_file_cut_in_its_compression_is_scanned_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(LOG * 500)[:-30])
    done = run("fairness_bias_scan.py", "--responses", str(path))
    report = json.loads(done.stdout)
    assert done.returncode == 0 and done.stderr.startswith(b"warning: ")
    assert report["lines_unreadable"] >= 1 and report["total_recommendations"] > 0


def test_blank_lines_do_not_count_and_too_long_ones_are_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"\n  \r\nab\n" + b"x" * 25 + b"\ncd\n" + b"y" * 10)
    told: list[str] = []
    assert list(log_lines(str(path), told.append, 10)) == [b"ab\n", None, b"cd\n", None]
    assert told == []


@pytest.mark.parametrize(("line", "records"), [
    (b'{"a": 1}\r\n', [{"a": 1}]), (b'{"a": NaN}', 1), (b'[{"a": 1}, {"a": 2}]', 2),
    (b"[\n", 0), (b'{"a": 1},\n', 1), (b"]\n", 0),
    (b'{"a": 1', None), (b"7", None), (b"[1]", None), (b'{"a": "\xff"}', None),
    (b"[" * 100_000, None),
])  # fmt: skip
def test_lines_are_read_in_the_forms_that_exports_have(line: bytes, records: Any) -> None:
    found = records_of(line)
    if isinstance(records, list):
        assert found == records
    elif records is None:
        assert found is None
    else:
        assert found is not None and len(found) == records


@pytest.mark.parametrize("text", [
    '{"movie_id": 1, "genres": ["A", "B"]}\n{"movie_id": "2", "genres": "C"}\nbroken\n',
    '[{"item_id": 1, "genres": "A|B"}, {"id": 2, "genre": ["C"]}]',
    '{"movieId": 1, "Genres": ["A", "B"]}\n{"movieId": 2, "Genres": "C"}',
    '{"1": ["A", "B"], "2": "C"}',
    '{"1": {"genres": ["A", "B"]},\n "2": {"genres": ["C"]}}',
    "title,movieId,genres\n\"A, film\",1,A|B\nB,2,C\n",
    "1,\"A, film (1999)\",A|B\n2,Other,C\n",
    "1::A film::A|B\n2::Other::C\n",
    "item_id\tgenres\n1\tA|B\n2\tC\n",
    "1;A|B\n2;C\n",
])
def test_films_and_genres_are_read_in_many_forms(tmp_path: Path, text: str) -> None:
    path = tmp_path / "films"
    path.write_text(text)
    assert read_item_table(str(path)) == {"1": ("A", "B"), "2": ("C",)}


def test_ids_alone_and_flags_of_genres_are_read(tmp_path: Path) -> None:
    path = tmp_path / "films"
    for text in ("1\n2\n\n2\n", "[1, 2]", "movie_id\n1\n2\n", "id,title\n1,x\n2,y\n"):
        path.write_text(text)
        assert read_item_table(str(path)) == {"1": (), "2": ()}
    flags = "|".join("1" if n in (1, 5) else "0" for n in range(19))
    path.write_bytes(f"1|Caf\xe9 (1995)|01-Jan-1995||http|{flags}\n".encode("latin-1"))
    assert read_item_table(str(path)) == {"1": ("Action", "Comedy")}
    path.write_text("\n")
    with pytest.raises(UnreadableImport, match="no film"):
        read_item_table(str(path))
