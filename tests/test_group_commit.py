"""The writer of many callers: who shares a commit, who is refused, who waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from adapters import group_commit
from adapters.group_commit import GroupCommit
from recommender.errors import StoreUnavailable


def test_those_who_wait_share_a_commit() -> None:
    begun, go_on = threading.Event(), threading.Event()
    batches: list[list[str]] = []

    def commit(works: object) -> list[str]:
        batch = list(works)  # type: ignore[call-overload]
        batches.append(batch)
        begun.set()
        go_on.wait(5)
        return [work.upper() for work in batch]

    group: GroupCommit[str, str] = GroupCommit("test", commit, 10)
    answers: dict[str, str] = {}
    threads = [
        threading.Thread(target=lambda w=w: answers.update({w: group.submit(w, 1)})) for w in "abcd"
    ]
    threads[0].start()
    begun.wait(5)
    for thread in threads[1:]:
        thread.start()
    while group.waiting() < 4:
        pass
    go_on.set()
    for thread in threads:
        thread.join()
    assert answers == {"a": "A", "b": "B", "c": "C", "d": "D"}
    assert [len(batch) for batch in batches] == [1, 3]
    group.close()


class HeldCommit:
    """Notes each batch as one text, and holds commits up while `gate` is not set."""

    def __init__(self) -> None:
        self.batches: list[str] = []
        self.begun, self.gate = threading.Event(), threading.Event()

    def __call__(self, works: Sequence[str]) -> list[str]:
        self.batches.append("".join(works))
        self.begun.set()
        self.gate.wait(5)
        return list(works)

    def one_then_the_rest(self, group: GroupCommit[str, str], works: str) -> None:
        """Submit these: the first alone, the rest while its commit is held up."""
        self.gate.clear()
        self.begun.clear()
        threads = [threading.Thread(target=group.submit, args=(work, 1)) for work in works]
        threads[0].start()
        assert self.begun.wait(5)
        for thread in threads[1:]:
            thread.start()
        while group.waiting() < len(works):
            time.sleep(0.001)
        self.gate.set()
        for thread in threads:
            thread.join()


def test_after_a_large_batch_the_next_gathers_and_closing_does_not_wait_for_it(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = HeldCommit()
    monkeypatch.setattr(group_commit, "GATHER_S", 1.0)
    group: GroupCommit[str, str] = GroupCommit("test", commit, 100)
    commit.one_then_the_rest(group, "0123456789")
    assert [len(batch) for batch in commit.batches] == [1, 9]
    first = threading.Thread(target=group.submit, args=("a", 1))
    first.start()
    time.sleep(0.05)
    group.submit("b", 1)
    assert commit.batches[2:] == ["ab"]
    group.submit("c", 1)  # after a small one at once
    assert commit.batches[3:] == ["c"]
    monkeypatch.setattr(group_commit, "GATHER_S", 60)
    commit.one_then_the_rest(group, "0123456789")
    last = threading.Thread(target=group.submit, args=("z", 1))
    last.start()
    while group.waiting() < 1:
        time.sleep(0.001)
    group.close()
    last.join(5)
    assert commit.batches[-1] == "z"


def test_more_than_the_queue_holds_is_refused_while_others_wait() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def commit(works: object) -> list[int]:
        begun.set()
        go_on.wait(5)
        return [1 for _ in list(works)]  # type: ignore[call-overload]

    group: GroupCommit[str, int] = GroupCommit("test", commit, 3)
    threads = [threading.Thread(target=group.submit, args=("a", 1)) for _ in range(2)]
    threads[0].start()
    begun.wait(5)
    threads[1].start()
    while group.waiting() < 2:
        pass
    for size in (2, 4):
        with pytest.raises(StoreUnavailable) as refused:
            group.submit("more", size)
        assert refused.value.retry_after_s == 1
    go_on.set()
    for thread in threads:
        thread.join()
    assert group.submit("large", 4) == 1
    group.close()


def test_a_failed_commit_fails_its_callers_only() -> None:
    def commit(works: object) -> list[str]:
        if "bad" in list(works):  # type: ignore[call-overload]
            raise StoreUnavailable("disk full")
        return ["done"]

    group: GroupCommit[str, str] = GroupCommit("test", commit, 10)
    with pytest.raises(StoreUnavailable, match="disk full"):
        group.submit("bad", 1)
    assert group.failure() == "disk full"
    assert group.submit("good", 1) == "done"
    assert group.waiting() == 0
    assert group.failure() is None
    group.close()
    assert group.failure() == "closed"
