"""A schema registry with Confluent's API (`recommender.avro_codec.Registry`)."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import orjson

from recommender.avro_codec import Schema, schema_fingerprint
from recommender.errors import BusUnavailable

_KIND = "application/vnd.schemaregistry.v1+json"
_NOT_FOUND = 404


class SchemaRegistry:
    """Subjects are `<topic on Kafka>-value`. Thread-safe; ids and schemas are asked for once.

    Args:
        url: of the API's root.
        on_kafka: the name on Kafka of a topic of the bus.
        login: user and password.
        timeout_s: for one answer.
    """

    def __init__(
        self, url: str, on_kafka: Callable[[str], str], login: tuple[str, str] | None = None,
        timeout_s: float = 5.0,
    ) -> None:  # fmt: skip
        self._url = url.rstrip("/")
        self._on_kafka = on_kafka
        self._timeout_s = timeout_s
        self._headers = {"Content-Type": _KIND, "Accept": f"{_KIND}, application/json"}
        if login is not None:
            packed = b64encode(":".join(login).encode()).decode()
            self._headers["Authorization"] = f"Basic {packed}"
        self._lock = threading.Lock()
        self._ids: dict[tuple[str, bytes], int] = {}
        self._schemas: dict[int, Schema] = {}

    def id_of(self, topic: str, schema: Schema) -> int:
        """As `Registry.id_of`."""
        key = (topic, schema_fingerprint(schema))
        with self._lock:
            if key not in self._ids:
                path = f"/subjects/{self._subject(topic)}/versions"
                answer = self._ask("POST", path, {"schema": orjson.dumps(schema).decode()})
                self._ids[key] = int(answer["id"])
            return self._ids[key]

    def schema_of(self, schema_id: int) -> Schema | None:
        """As `Registry.schema_of`."""
        with self._lock:
            if schema_id not in self._schemas:
                answer = self._ask("GET", f"/schemas/ids/{schema_id}", missing_ok=True)
                if answer is None:
                    return None
                self._schemas[schema_id] = orjson.loads(answer["schema"])
            return self._schemas[schema_id]

    def set_up(self, topic: str, schema: Schema) -> int:
        """Ask for BACKWARD compatibility of the topic's values, then register the schema; its id.

        Raises:
            BusUnavailable: the registry does not answer, or the schema breaks readers.
        """
        self._ask("PUT", f"/config/{self._subject(topic)}", {"compatibility": "BACKWARD"})
        return self.id_of(topic, schema)

    def _subject(self, topic: str) -> str:
        return f"{self._on_kafka(topic)}-value"

    def _ask(self, method: str, path: str, body: Any = None, missing_ok: bool = False) -> Any:
        content = None if body is None else orjson.dumps(body)
        request = urllib.request.Request(  # noqa: S310  the settings take http and https only
            self._url + path, content, self._headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:  # noqa: S310
                return orjson.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                if missing_ok and error.code == _NOT_FOUND:
                    return None
                said = " ".join(error.read(2_000).decode(errors="replace").split())
            raise BusUnavailable(
                f"schema registry: {method} {path}: {error.code} {said}") from error
        except (OSError, ValueError) as error:
            raise BusUnavailable(f"schema registry at {self._url}: {error}") from error
