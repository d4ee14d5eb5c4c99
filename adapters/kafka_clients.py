"""Opening kafka-python's clients: with time-outs, with the reason when it fails, nothing left over.

Its constructors raise a bare time-out when no broker can be reached or none lets us in, the reason
stands in its log alone, and what they had started goes on running. Here the network client below
them keeps the reason, and is closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    RequestTimedOutError,
    SaslAuthenticationFailedError,
)
from kafka.net.compat import KafkaNetClient

from adapters.kafka_security import KafkaSecurity
from recommender.errors import BusUnavailable

Client = TypeVar("Client", KafkaAdminClient, KafkaConsumer, KafkaProducer)
_RECONNECT_MAX_MS = 1_000


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """Where the brokers are and how to log in. Times in seconds.

    `connect_s` is the most that opening a client may take, `request_s` the most that a broker may
    take for an answer (for the questions of the admin client at most half of it).
    """

    bootstrap_servers: Sequence[str]
    security: KafkaSecurity = field(default_factory=KafkaSecurity)
    client_id: str = "fairreel"
    connect_s: float = 3.0
    request_s: float = 10.0

    def open_admin(self) -> KafkaAdminClient:
        """Raises BusUnavailable with the reason, as the two below do."""
        return self._open(KafkaAdminClient, {"request_timeout_ms": int(self.request_s * 500)})

    def open_consumer(self, **options: Any) -> KafkaConsumer:
        """`options` are kafka-python's."""
        return self._open(KafkaConsumer, options)

    def open_producer(self, **options: Any) -> KafkaProducer:
        """`options` are kafka-python's."""
        return self._open(KafkaProducer, options)

    def _open(self, kind: type[Client], options: dict[str, Any]) -> Client:
        made: list[_RememberingClient] = []

        def network_client(**given: Any) -> _RememberingClient:
            made.append(_RememberingClient(**given))
            return made[-1]

        common = {
            "bootstrap_servers": list(self.bootstrap_servers),
            "client_id": self.client_id,
            "bootstrap_timeout_ms": int(self.connect_s * 1000),
            "request_timeout_ms": int(self.request_s * 1000),
            "reconnect_backoff_max_ms": _RECONNECT_MAX_MS,
            "kafka_client": network_client,
            **self.security.options(),
        }
        for file in self.security.files():
            if not file.is_file():
                raise BusUnavailable(f"{file}: no such file; the settings of Kafka name it")
        try:
            return kind(**(common | options))
        except (KafkaError, OSError, ValueError) as error:
            # OSError and ValueError: files of certificates and keys that cannot be used.
            for client in made:
                client.end()
            reason = next((c.failure for c in made if c.failure is not None), error)
            servers = ",".join(self.bootstrap_servers)
            raise BusUnavailable(f"Kafka at {servers}: {self._told(reason)}") from error

    def _told(self, reason: BaseException) -> str:
        # The broker hangs up on a refused login, and its answer may be lost by that.
        cut_off = isinstance(reason, KafkaConnectionError) and "disconnected" in str(reason)
        refused = isinstance(reason, SaslAuthenticationFailedError)
        if (cut_off or refused) and "sasl_mechanism" in self.security.options():
            return f"{reason_of(reason)} during login: are user and password right?"
        return reason_of(reason)


def reason_of(error: BaseException) -> str:
    """One line for people: what kafka-python says, with the kind of the error."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    if not text:
        return name
    return text if name in text else f"{name}: {text}"


def _weight(error: BaseException) -> int:
    """How much an error tells about why there is no connection."""
    if isinstance(error, SaslAuthenticationFailedError):
        return 2
    return 0 if "disconnected" in str(error) or isinstance(
        error, KafkaTimeoutError | RequestTimedOutError
    ) else 1


class _RememberingClient(KafkaNetClient):  # type: ignore[misc]
    """Keeps why the last connection did not come about."""

    def __init__(self, **configs: Any) -> None:
        super().__init__(**configs)
        self.failure: BaseException | None = None
        get_connection = self._manager.get_connection

        def remembering(*arguments: Any, **named: Any) -> Any:
            connection = get_connection(*arguments, **named)
            connection.init_future.add_errback(self._remember)
            return connection

        self._manager.get_connection = remembering

    def _remember(self, error: BaseException) -> None:
        # After a refusal come attempts that are cut off half-way, and tell less.
        if self.failure is None or _weight(error) > _weight(self.failure):
            self.failure = error

    def end(self) -> None:
        """Close the connections and end the thread."""
        self._manager.close()
        self._net.stop(timeout_ms=1_000)
        self._net.close()
