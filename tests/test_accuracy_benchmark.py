"""What the accuracy benchmark reads, asks and counts."""

from __future__ import annotations

import sys
from pathlib import Path

import accuracy_folders as made
import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.accuracy import main, row_line, title_lines
from benchmarks.accuracy_data import BadLayout, Missing, Task, tasks_of
from benchmarks.accuracy_measure import accuracy_of, measure, rank_all
from recommender.arrays import Int32s
from recommender.models import MODELS
from recommender.models.model import EncodedHistory
from recommender.ranking import Ranked


def part(folder: Path, letter: str) -> Task:
    task = next(task for task in tasks_of(folder) if task.part == letter)
    assert isinstance(task, Task)
    return task


def names(task: Task, films: Int32s) -> list[str]:
    return [task.known.item_ids[film] for film in films.tolist()]


def history(task: Task, user: int) -> list[str]:
    return names(task, task.histories.items[task.histories.user_entries(user)])


@pytest.mark.parametrize("given", ["", "ml-100k"])
def test_a_data_set_is_found_in_its_parent_and_in_its_own_folder(
    tmp_path: Path, given: str
) -> None:
    made.write_u_data(tmp_path / "ml-100k")
    assert [task.part for task in tasks_of(tmp_path / given) if isinstance(task, Task)] == ["d"]


def test_a_folder_without_data_ends_with_2_and_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--data", str(tmp_path)])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1 and str(tmp_path) in result.stderr


def test_without_test_files_the_last_known_film_is_foreseen_and_the_title_says_so(
    tmp_path: Path,
) -> None:
    made.write_sequences(tmp_path / "ml-1m", with_test=False)
    task = part(tmp_path, "a")
    assert "VALIDATION" in task.title and "sequences-test-input.txt" in task.title
    for row, (user, way) in enumerate(zip(task.users.tolist(), made.walks(), strict=True)):
        assert history(task, user) == [str(film) for film in way[:-3]]
        assert names(task, task.targets[row]) == [str(way[-3])]


def test_the_test_is_asked_after_its_input_and_fitted_without_it(tmp_path: Path) -> None:
    made.write_sequences(tmp_path / "ml-1m", with_test=True)
    task = part(tmp_path, "a")
    assert "VALIDATION" not in task.title
    for row, (user, way) in enumerate(zip(task.users.tolist(), made.walks(), strict=True)):
        assert history(task, user) == [str(film) for film in way[:-1]]
        assert names(task, task.targets[row]) == [str(way[-1])]
        assert len(task.known.items[task.known.user_entries(user)]) == len(way) - 2


def test_an_input_of_new_films_alone_goes_on_from_what_is_known(tmp_path: Path) -> None:
    made.write_sequences(tmp_path / "ml-1m", with_test=True)
    made.write_lines(tmp_path / "ml-1m" / "sequences-test-input.txt",
                     [way[-2:-1] for way in made.walks()])
    task = part(tmp_path, "a")
    assert history(task, 0) == [str(film) for film in made.walks()[0][:-1]]


def test_files_of_different_lengths_are_refused_by_name(tmp_path: Path) -> None:
    made.write_sequences(tmp_path / "ml-1m", with_test=True)
    made.write_lines(tmp_path / "ml-1m" / "sequences-test-target.txt", [[1]])
    with pytest.raises(BadLayout, match=r"sequences-test-target\.txt"):
        tasks_of(tmp_path)
    result = CliRunner().invoke(main, ["--data", str(tmp_path)])
    assert result.exit_code == 2 and result.stderr.count("\n") == 1


def test_given_negatives_are_the_only_others(tmp_path: Path) -> None:
    made.write_ncf(tmp_path / "ml-1m")
    task = part(tmp_path, "b")
    lines = (tmp_path / "ml-1m/ncf/ml-1m.test.negative").read_text().splitlines()
    for row, user in enumerate(task.users.tolist()):
        name = task.known.user_ids[user]
        line = next(line for line in lines if line.startswith(f"({name},"))
        assert task.candidates is not None
        assert names(task, task.candidates[row])[1:] == line.split("\t")[1:]
        assert names(task, task.targets[row]) == [line.split(",")[1].split(")")[0]]
        # Several films share a second: the order of the file is the order of time.
        assert history(task, user) == [str(film) for film in made.walks()[int(name)][:-1]]
    lists = rank_all(MODELS["popularity"].fit_with(task.known, {}), task)
    for row, shown in enumerate(lists):
        assert set(shown[shown >= 0].tolist()) <= set(task.candidates[row].tolist())


def test_without_given_negatives_unseen_films_are_drawn(tmp_path: Path) -> None:
    made.write_sequences(tmp_path / "ml-1m", with_test=False)
    task = part(tmp_path, "b")
    assert "VALIDATION" in task.title and task.candidates is not None
    assert task.candidates.shape == (made.N_USERS, 100)
    for row, user in enumerate(task.users.tolist()):
        assert not set(history(task, user)) & set(names(task, task.candidates[row]))


def split_way(task: Task, user: int) -> list[int]:
    """The walk of a user of the split; users are numbered by the order of their names."""
    order = sorted(str(number) for number in range(made.N_USERS))
    return made.walks()[int(order[int(task.known.user_ids[user])])]


def test_films_of_the_validation_part_are_not_masked_in_the_test(tmp_path: Path) -> None:
    made.write_split(tmp_path / "ml-1m", with_test=True)
    task = part(tmp_path, "c")
    assert "VALIDATION" not in task.title and task.k == 20
    for row, user in enumerate(task.users.tolist()):
        way = split_way(task, user)
        assert sorted(history(task, user)) == sorted(str(film) for film in way[:9])
        assert names(task, task.targets[row]) == [str(film) for film in way[10:]]
    shown = rank_all(MODELS["knn"].fit_with(task.known, {}), task)
    valid = {(row, task.known.item_ids.index(str(split_way(task, user)[9])))
             for row, user in enumerate(task.users.tolist())}
    assert any(film in shown[row] for row, film in valid)


def test_without_its_test_part_the_split_is_judged_on_valid(tmp_path: Path) -> None:
    made.write_split(tmp_path / "ml-1m", with_test=False)
    task = part(tmp_path, "c")
    assert "VALIDATION on valid.txt" in task.title
    assert all(len(target) == 1 for target in task.targets)


def test_recall_and_gain_of_several_targets_by_hand(tmp_path: Path) -> None:
    made.write_split(tmp_path / "ml-1m", with_test=True)
    task = part(tmp_path, "c")
    lists = np.full((len(task.users), 20), -1, np.int32)
    first = task.targets[0]
    lists[0, [0, 2]] = first[:2]  # places 1 and 3 of 4 targets
    recalls, gains = accuracy_of(lists, task)
    assert recalls[0] == 0.5 and not recalls[1:].any() and not gains[1:].any()
    best = sum(1 / np.log2(place + 1) for place in (1, 2, 3, 4))
    assert gains[0] == pytest.approx((1 + 1 / np.log2(4)) / best)


def test_seen_films_are_masked_and_a_model_that_knows_nothing_hits_by_chance_only(
    tmp_path: Path,
) -> None:
    made.write_sequences(tmp_path / "ml-1m", with_test=True)
    task = part(tmp_path, "a")

    class AllAlike:
        """Every film scores 1, so the lowest indexes that are allowed are listed."""

        def rank(self, history: EncodedHistory, excluded: Int32s, k: int,
                 allowed: object = None, factor: object = None) -> Ranked:
            free = np.setdiff1d(np.arange(task.known.n_items), excluded)[:k].astype(np.int32)
            return Ranked(free, np.ones(len(free), np.float32), np.full(len(free), -1, np.int32))

        def neighbours(self, item: int, k: int) -> Ranked:
            raise NotImplementedError

        def is_finite(self) -> bool:
            return True

    lists = rank_all(AllAlike(), task)
    for row, user in enumerate(task.users.tolist()):
        assert not set(names(task, lists[row])) & set(history(task, user))
    chance = 10 / (task.known.n_items - made.LENGTH + 1)
    recalls, _ = accuracy_of(lists, task)
    assert abs(recalls.mean() - chance) < 3 * np.sqrt(chance * (1 - chance) / len(recalls))


def test_a_row_shows_every_measure(tmp_path: Path) -> None:
    made.write_u_data(tmp_path / "ml-100k")
    task = part(tmp_path, "d")
    row = measure(task, "transition_knn", {})
    assert 0 < row.ndcg.value < row.recall.value <= 1 and row.peak_mib > 10 and row.rank_ms > 0
    head = list(title_lines(task))[1]
    assert row_line("x", row, sampled=False).count("|") == head.count("|")
    assert row_line("x", row, sampled=True).count("|") == head.count("|")


def test_the_command_prints_a_table_for_what_is_there_and_names_the_rest(tmp_path: Path) -> None:
    made.write_u_data(tmp_path / "ml-100k")
    result = CliRunner().invoke(main, ["--data", str(tmp_path), "--model", "popularity"],
                                env={"PYTHONPATH": ":".join(sys.path)})
    assert result.exit_code == 0, result.output
    assert "(d) ML-100K" in result.stdout and "| popularity |" in result.stdout
    assert "Gorse" in result.stdout
    for letter in "abc":
        assert f"({letter}) left out:" in result.stdout


def test_a_missing_part_says_what_is_missing(tmp_path: Path) -> None:
    missing = [task for task in tasks_of(tmp_path) if isinstance(task, Missing)]
    assert [task.part for task in missing] == ["a", "b", "c", "d"]
    assert all(str(tmp_path) in task.reason for task in missing)
