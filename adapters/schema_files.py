"""The Avro schemas of the repository: schemas/<subject>.avsc, earlier ones beside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from recommender.avro_codec import SchemaSet

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"


def read_schemas(folder: Path = SCHEMAS) -> SchemaSet:
    """`earlier/<subject>.v<number>.avsc` are the versions before, oldest first.

    Raises:
        FileNotFoundError: there are none.
        ValueError: a file is no JSON.
    """
    current = {file.stem: _read(file) for file in sorted(folder.glob("*.avsc"))}
    if not current:
        raise FileNotFoundError(f"{folder}: no schemas here")
    earlier: dict[str, list[tuple[int, Any]]] = {}
    for file in (folder / "earlier").glob("*.avsc"):
        subject, _, version = file.stem.rpartition(".v")
        earlier.setdefault(subject, []).append((int(version), _read(file)))
    return SchemaSet(
        current, {s: [schema for _, schema in sorted(found, key=lambda v: v[0])]
                  for s, found in earlier.items()})


def _read(file: Path) -> Any:
    return orjson.loads(file.read_bytes())
