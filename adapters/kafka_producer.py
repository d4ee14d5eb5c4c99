"""Publishing to Kafka: idempotent, bounded in time, never stuck with a stalled producer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

import structlog
from kafka import KafkaProducer
from kafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
)
from kafka.producer.future import FutureRecordMetadata

from adapters.kafka_clients import KafkaAccess, reason_of
from adapters.kafka_topics import (
    AHEAD_MAX_MS,
    HOUR_MS,
    LETTER_MAX_BYTES,
    TopicNames,
    message_max_bytes,
)
from recommender.circuit_breaker import CircuitBreaker
from recommender.errors import BusUnavailable, PartlyPublished
from recommender.types import Message

_CLOSE_S = 2.0
_AFTER_DELIVERY_S = 1.0
_METADATA_S = 5.0
_OVERHEAD_BYTES = 1_024
_log = structlog.get_logger()


class KafkaPublisher:
    """Sends batches and waits for their acknowledgements. One batch at a time, any thread.

    A batch that outlives its delivery time-out costs the producer: kafka-python's idempotent
    producer may stall for good after that (its futures neither succeed nor fail). It is abandoned
    and the next batch gets a new one. What was lost on the way is for the caller to send again.
    After failures in a row the circuit is open: callers get BusUnavailable at once, but for one
    trial after each pause.
    """

    def __init__(
        self,
        access: KafkaAccess,
        names: TopicNames,
        delivery_timeout_s: float = 30.0,
        breaker: CircuitBreaker | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`delivery_timeout_s` is how long kafka-python itself tries to deliver a record."""
        self._access = access
        self._names = names
        self._delivery_timeout_s = delivery_timeout_s
        self._breaker = breaker or CircuitBreaker()
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._producer: KafkaProducer | None = None
        self._failure: str | None = None
        self._closed = False
        self.abandoned = 0
        """Producers given up so far."""

    def publish(self, messages: Sequence[Message]) -> None:
        """Return when all are acknowledged by the replicas in sync.

        Raises:
            PartlyPublished: names those that are not; the others are acknowledged.
            BusUnavailable: none is known to be written.
        """
        if not messages:
            return
        with self._lock:
            if self._closed:
                raise BusUnavailable("closed")
            wait_s = self._breaker.wait_s(self._clock_s())
            if wait_s > 0:
                raise BusUnavailable(f"not asked for another {wait_s:.1f} s: {self._failure}")
            try:
                self._publish(messages)
            except BusUnavailable as error:
                self._failed(error)
                raise
            if self._failure is not None:
                _log.info("kafka_publishes_again", after=self._failure)
            self._breaker.succeeded()
            self._failure = None

    def failure(self) -> str | None:
        """Why the last batch failed, None when it was published."""
        return self._failure

    def close(self) -> None:
        """Let go of the producer; a batch under way fails."""
        self._closed = True
        ending = self._abandon()
        if ending is not None:
            ending.join(2 * _CLOSE_S)

    def _failed(self, error: BusUnavailable) -> None:
        if self._failure is None:
            _log.warning("kafka_publish_failed", error=str(error))
        self._failure = str(error)
        if isinstance(error, PartlyPublished):
            self._breaker.succeeded()  # the brokers answer; they refuse some
        else:
            self._breaker.failed(self._clock_s())

    def _publish(self, messages: Sequence[Message]) -> None:
        failures = self._attempt(messages, range(len(messages)))
        if any(isinstance(error, TopicAuthorizationFailedError) for error in failures.values()):
            # kafka-python lets one forbidden topic fail whatever was under way beside it.
            for topic in {messages[at].topic for at in failures}:
                of_topic = [at for at in failures if messages[at].topic == topic]
                failed = self._attempt(messages, of_topic)
                for at in of_topic:
                    del failures[at]
                failures |= failed
        if not failures:
            return
        reasons = "; ".join(sorted({reason_of(error) for error in failures.values()}))
        if len(failures) == len(messages):
            raise BusUnavailable(reasons)
        raise PartlyPublished(reasons, frozenset(failures))

    def _attempt(self, messages: Sequence[Message], places: Iterable[int]) -> dict[int, KafkaError]:
        """Send the messages at these places; the errors of those that are not acknowledged."""
        producer = self._open()
        failures: dict[int, KafkaError] = {}
        sent = self._send(producer, messages, places, failures)
        deadline_s = time.monotonic() + self._delivery_timeout_s + _AFTER_DELIVERY_S
        stalled = False
        for at, future in sent:
            try:
                future.get(timeout=max(0.0, deadline_s - time.monotonic()))
            except KafkaError as error:
                failures[at] = error
                stalled = True
        if stalled:
            self._abandon()
        return failures

    def _send(
        self,
        producer: KafkaProducer,
        messages: Sequence[Message],
        places: Iterable[int],
        failures: dict[int, KafkaError],
    ) -> list[tuple[int, FutureRecordMetadata]]:
        sent = []
        refused: dict[str, KafkaError] = {}
        now_ms = time.time_ns() // 1_000_000
        for at in places:
            message = messages[at]
            topic, key = self._names.on_kafka(message.topic), message.key.encode()
            size = len(key) + len(message.value)
            if size > message_max_bytes(message.topic):
                # The broker would refuse those too that share a batch with it.
                failures[at] = MessageSizeTooLargeError(f"{size} bytes for {topic}")
                continue
            if topic not in refused:
                try:
                    future = producer.send(topic, message.value, key,
                                           timestamp_ms=_dated(message, now_ms))
                except KafkaError as error:
                    # Nothing is known of the topic: it is not there, or not ours to see, or no
                    # broker answers. Asked once a batch: each question may take seconds.
                    refused[topic] = error
                else:
                    sent.append((at, future))
                    continue
            failures[at] = refused[topic]
        return sent

    def _open(self) -> KafkaProducer:
        if self._producer is None:
            self._producer = self._access.open_producer(
                acks="all", enable_idempotence=True, allow_auto_create_topics=False,
                delivery_timeout_ms=int(self._delivery_timeout_s * 1000),
                # Room for a second request within the time.
                request_timeout_ms=int(
                    1000 * min(self._access.request_s, self._delivery_timeout_s / 2)),
                max_block_ms=int(_METADATA_S * 1000),
                max_request_size=LETTER_MAX_BYTES + _OVERHEAD_BYTES,
            )
        return self._producer

    def _abandon(self) -> threading.Thread | None:
        producer, self._producer = self._producer, None
        if producer is None:
            return None
        self.abandoned += 1
        thread = threading.Thread(
            target=_end, args=(producer,), name="kafka-producer-end", daemon=True)
        thread.start()
        return thread


def _dated(message: Message, now_ms: int) -> int:
    # Not before it was made, though the clock was set back; but never so far ahead that the broker
    # refuses it, and with it all that shares its batch, until our clock has come that far.
    return max(now_ms, min(message.made_at_ms, now_ms + AHEAD_MAX_MS - HOUR_MS))


def _end(producer: KafkaProducer) -> None:
    try:
        producer.close(timeout=_CLOSE_S)
    except KafkaTimeoutError:
        # It gives up over what it cannot flush and leaves its thread running.
        producer._sender.force_close()
        producer._sender.join(_CLOSE_S)
        producer.close(timeout=_CLOSE_S)
