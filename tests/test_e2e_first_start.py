"""The two ways to start, as README has them: from nothing, with data, and again."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.program import Program
from tests.running_server import Home

APP = (sys.executable, "app.py")
# A demo world and the default models; the machine may be busy with other tests.
FIRST_START_S = 240.0
OF_THE_USER = {
    "user_id": "user_123", "item_id": "movie_456", "rating": 5, "timestamp": "2025-11-24T10:00:00"}


def times(program: Program, said: str) -> int:
    return program.said().count(said)


def is_personal(program: Program, user: str) -> bool:
    answer = program.ask("GET", f"/recommend?user_id={user}&k=10").json()
    assert len(answer["recommendations"]) == 10
    return bool(answer["is_personalized"])


def test_app_py_makes_a_demo_catalogue_once_and_serves_its_people_personal_lists(
    tmp_path: Path
) -> None:
    home = Home(tmp_path, {})
    program = home.program(APP)
    with program.start(FIRST_START_S):
        assert is_personal(program, "u1")
        assert not is_personal(program, "nobody")
        assert program.ask("POST", "/rate", OF_THE_USER).status == 200
        assert "2,000" in program.said() and times(program, "demo world: 100,000 events") == 1
        assert program.terminate() == 0
    with program.start(FIRST_START_S):
        assert is_personal(program, "u1")
        rated = program.ask("GET", "/users/user_123/history").json()["history"]
        assert [event["item_id"] for event in rated] == ["movie_456"]
        assert times(program, "admin key (shown this once)") == 1
        assert times(program, "demo world: 100,000 events") == 1


def test_make_run_with_data_imports_the_file_once(tmp_path: Path) -> None:
    file = tmp_path / "shop.csv"
    lines = [f"c{customer},p{(customer + 3 * order) % 60},{1_700_000_000 + 60 * order + customer}"
             for customer in range(60) for order in range(15)]
    file.write_text("customer,product,bought\n" + "\n".join(lines) + "\n")
    command = ("make", "run", f"DATA={file}", "COLUMNS=user=customer,item=product,timestamp=bought")
    home = Home(tmp_path, {})
    program = home.program(command)
    for _ in range(2):
        with program.start(FIRST_START_S):
            assert is_personal(program, "c7")
            history = program.ask("GET", "/users/c7/history?limit=50").json()["history"]
            assert len(history) == 15
    assert times(program, "demo world") == 0
    assert times(program, "admin key (shown this once)") == 1
