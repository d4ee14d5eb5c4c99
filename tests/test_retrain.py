"""One training child at a time; it ends with its time, on request, and with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from structlog.testing import capture_logs

from recommender.ports import Telemetry
from recommender.retraining import TAIL_LINES
from tests.worker_fakes import KeptAudit, KeptTelemetry
from workers.retrain import Retrainer
from workers.snapshot import SnapshotFailed, SnapshotJob

ROOT = Path(__file__).parent.parent


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-u", "-c", code)


SAYS = "import json; say = lambda **line: print(json.dumps(line), flush=True); "
SLEEPS = SAYS + "import time; say(event='progress', text='asleep'); time.sleep(60)"
PUBLISHES = SAYS + "say(event='started'); say(event='finished', outcome='published')"


class Desk:
    """A retrainer and what it wrote."""

    def __init__(self, code: str, timeout_s: float = 30) -> None:
        self.telemetry, self.audit = KeptTelemetry(), KeptAudit()
        self.retrainer = Retrainer(
            python(code), timeout_s, cast(Telemetry, self.telemetry), self.audit, lambda: 1_000
        )


@pytest.fixture
def desk() -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def make(code: str, timeout_s: float = 30) -> Desk:
        made.append(Desk(code, timeout_s))
        return made[-1]

    yield make
    for one in made:
        one.retrainer.stop()


def wait_until(holds: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_the_outcome_of_the_child_is_told(desk: Callable[..., Desk]) -> None:
    it = desk(PUBLISHES)
    assert it.retrainer.status().outcome is None
    assert it.retrainer.request("new data", "admin").started
    status = it.retrainer.wait(10)
    assert (status.running, status.outcome, status.actor) == (False, "published", "admin")
    assert status.reason == "new data" and status.seconds is not None
    assert (status.started_at_ms, status.finished_at_ms) == (1_000, 1_000)
    ((outcome, seconds),) = it.telemetry.of("training")
    assert outcome == "published" and 0 < seconds < 10
    assert [(e.actor, e.action, e.outcome) for e in it.audit.written] == [
        ("admin", "retrain", "started")
    ]


def test_the_child_is_told_why_and_by_whom(desk: Callable[..., Desk]) -> None:
    it = desk(SAYS + "import sys; say(event='finished', outcome=' '.join(sys.argv[1:]))")
    it.retrainer.request("a b", "--help; rm")
    assert it.retrainer.wait(10).outcome == "--reason=a b --actor=--help; rm"


def test_a_second_request_does_not_start_a_second_child(desk: Callable[..., Desk]) -> None:
    it = desk(SLEEPS)
    assert it.retrainer.request("why", "a").started
    wait_until(lambda: it.retrainer.status().progress)
    assert not it.retrainer.request("why", "b").started
    status = it.retrainer.status()
    assert status.running and status.actor == "a" and status.progress["text"] == "asleep"
    assert it.audit.written[-1].outcome == "already_running"
    it.retrainer.stop()
    assert it.retrainer.status().outcome == "stop"


def test_the_last_lines_of_the_child_are_kept(desk: Callable[..., Desk]) -> None:
    it = desk(SAYS + "[say(event='progress', text=n) for n in range(30)]; "
              "say(event='finished', outcome='published')")
    it.retrainer.request("why", "a")
    tail = it.retrainer.wait(10).tail
    assert len(tail) == TAIL_LINES and tail[-1]["outcome"] == "published"
    assert [line["text"] for line in tail[:-1]] == list(range(30 - TAIL_LINES + 1, 30))
    it.retrainer.request("why", "a")
    assert len(it.retrainer.status().tail) < TAIL_LINES


def test_after_one_has_ended_another_may_start(desk: Callable[..., Desk]) -> None:
    it = desk(PUBLISHES)
    for _ in range(2):
        assert it.retrainer.request("why", "a").started
        assert it.retrainer.wait(10).outcome == "published"
    assert len(it.telemetry.of("training")) == 2


def test_refusals_of_the_gate_are_counted_by_reason(desk: Callable[..., Desk]) -> None:
    it = desk(
        SAYS + "say(event='model', name='knn', passed=False, reason='worse_than_serving');"
        "say(event='model', name='popularity', passed=True, reason='not_compared');"
        "say(event='finished', outcome='refused')"
    )
    it.retrainer.request("why", "a")
    assert it.retrainer.wait(10).outcome == "refused"
    assert it.telemetry.of("gate_refusal") == [("worse_than_serving",)]


@pytest.mark.parametrize(
    "code", ["raise SystemExit(3)", "print('not json')", "print('[1]')", "import os; os.abort()"]
)
def test_a_child_that_does_not_tell_its_outcome_has_failed(
    desk: Callable[..., Desk], code: str
) -> None:
    it = desk(code)
    it.retrainer.request("why", "a")
    assert it.retrainer.wait(10).outcome == "failed"
    assert it.telemetry.of("training")[0][0] == "failed"


def test_a_program_that_is_not_there_has_failed() -> None:
    telemetry = KeptTelemetry()
    retrainer = Retrainer(
        ("/no/such/program",), 5, cast(Telemetry, telemetry), KeptAudit(), lambda: 0
    )
    with capture_logs() as lines:
        retrainer.request("why", "a")
        assert retrainer.wait(10).outcome == "failed"
    assert "retrain_not_started" in {line["event"] for line in lines}


def test_a_child_that_takes_too_long_is_ended_with_its_own_children(
    desk: Callable[..., Desk],
) -> None:
    it = desk(
        SAYS + "import signal, subprocess, sys, time;"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "say(event='progress', pid=child.pid); time.sleep(60)",
        timeout_s=1.0,
    )
    began = time.monotonic()
    it.retrainer.request("why", "a")
    assert it.retrainer.wait(20).outcome == "timeout"
    assert time.monotonic() - began < 10
    grandchild = it.retrainer.status().progress["pid"]
    wait_until(lambda: not is_alive(grandchild))


def test_after_stop_nothing_is_started(desk: Callable[..., Desk]) -> None:
    it = desk(PUBLISHES)
    it.retrainer.stop()
    assert not it.retrainer.request("why", "a").started
    assert it.retrainer.status().outcome is None


PARENT = """
import sys
sys.path.insert(0, {root!r})
from tests.worker_fakes import KeptAudit, KeptTelemetry
from workers.retrain import Retrainer
r = Retrainer((sys.executable, "-u", "-c", sys.argv[1]), 60, KeptTelemetry(), KeptAudit(),
              lambda: 0)
r.request("why", "a")
while "pid" not in r.status().progress:
    pass
print(r.status().progress["pid"], file=sys.stderr, flush=True)
r.wait()
"""
CHILD = (
    f"import sys; sys.path.insert(0, {str(ROOT)!r}); import os, time;"
    "from workers.parent_watch import watch_parent;"
    "watch_parent(0, lambda: os._exit(1));"
    + SAYS
    + "say(event='progress', pid=os.getpid()); time.sleep(60)"
)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_child_ends_when_its_parent_is_killed(how: signal.Signals) -> None:
    parent = subprocess.Popen(
        (*python(PARENT.format(root=str(ROOT))), CHILD), stderr=subprocess.PIPE, text=True
    )
    try:
        assert parent.stderr is not None
        child = int(parent.stderr.readline())
        assert is_alive(child) and os.getpgid(child) != os.getpgid(parent.pid)
        parent.send_signal(how)
        parent.wait(10)
        wait_until(lambda: not is_alive(child))
    finally:
        parent.kill()
        parent.communicate()


def test_a_snapshot_child_that_fails_is_told(tmp_path: Path) -> None:
    done = tmp_path / "done"
    SnapshotJob(python(f"open({str(done)!r}, 'w').close()"), 30).run()
    assert done.exists()
    with pytest.raises(SnapshotFailed, match="exit code 3"):
        SnapshotJob(python("raise SystemExit(3)"), 30).run()
    with pytest.raises(SnapshotFailed, match="timeout"):
        SnapshotJob(python("import time; time.sleep(60)"), 0.3).run()
    stopped = SnapshotJob(python("raise SystemExit(3)"), 30)
    stopped.stop()
    stopped.run()
