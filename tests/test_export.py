"""What is exported can be read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from commands.event_lines import open_lines
from commands.export import export_events
from recommender.schemas import Columns
from tests.import_world import ImportWorld


def test_an_export_is_read_back_with_ids_and_types(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text(
        "user,item,rating,time,kind\nu1,m1,4,1700000000,rate\nu1,m1,,1700000001,watch\n"
    )
    world, copy = ImportWorld(), ImportWorld()
    world.load(source, type_column="kind")
    search = world.events().head(1).assign(
        event_id="client/17!", type="search", item_id=None, rating=np.nan, query="caf\u00e9"
    )
    world.store.apply(search[list(Columns.EVENT)])
    out = tmp_path / "events.jsonl.gz"
    with open_lines(out) as file:
        assert export_events(world.store, file) == 3
    assert copy.load(out).events == 3
    assert copy.store.state_hash() == world.store.state_hash()
    assert copy.store.history("u1").searches == ("caf\u00e9",)
    again = copy.load(out)
    assert again.already_imported == ["events.jsonl.gz"]


def test_a_file_that_fails_half_way_does_not_appear_under_its_name(tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    out.write_text("before")

    def fail_half_way() -> None:
        with open_lines(out) as file:
            file.write(b"half")
            raise RuntimeError("power")

    with pytest.raises(RuntimeError, match="power"):
        fail_half_way()
    assert out.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["events.jsonl"]
