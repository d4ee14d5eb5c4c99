"""Names of the topics and the way from an event to its topic."""

from __future__ import annotations

from recommender.types import EventType

RATINGS = "ratings"
WATCH_EVENTS = "watch-events"
BROWSE_EVENTS = "browse-events"
RECOMMENDATION_REQUESTS = "recommendation-requests"
RECOMMENDATIONS = "recommendations"
MODEL_METRICS = "model-metrics"
AB_TEST_EVENTS = "ab-test-events"

EVENT_TOPICS = (RATINGS, WATCH_EVENTS, BROWSE_EVENTS)
DEAD_LETTER_SUFFIX = ".dead-letter"
TOPICS = (*EVENT_TOPICS, RECOMMENDATION_REQUESTS, RECOMMENDATIONS, MODEL_METRICS, AB_TEST_EVENTS)
"""All but the dead-letter topics."""

SUBJECT_OF = {
    **dict.fromkeys(EVENT_TOPICS, "user-interactions"),
    RECOMMENDATION_REQUESTS: "recommendation-requests",
    RECOMMENDATIONS: "recommendation-responses",
    MODEL_METRICS: "model-metrics",
    AB_TEST_EVENTS: "ab-test-events",
}
"""Which schema (a file in schemas/) the values of a topic have as Avro."""

_TOPIC_OF = {
    EventType.RATE: RATINGS,
    EventType.WATCH: WATCH_EVENTS,
    EventType.VIEW: BROWSE_EVENTS,
    EventType.SEARCH: BROWSE_EVENTS,
    # Not on `ratings`: the hourly quota counts the records there.
    EventType.UNDO: WATCH_EVENTS,
}


def topic_of(event_type: EventType) -> str:
    """The topic on which events of this type travel."""
    return _TOPIC_OF[event_type]


def dead_letter_topic(topic: str) -> str:
    """Where the bad records of `topic` go."""
    return topic + DEAD_LETTER_SUFFIX
