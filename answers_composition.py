"""Builds what puts answers onto the topics of an outer bus."""

from __future__ import annotations

import os
import socket

from sqlalchemy import Engine

from adapters.answer_queue import SqlAnswerQueue
from composition import StoreSide, publishes_answers
from recommender.ports import EventBus
from settings import Settings
from workers.answer_publisher import AnswerPublisher
from workers.held_turn import HeldTurn


def open_answer_publisher(
    settings: Settings, side: StoreSide, responses: Engine, bus: EventBus
) -> AnswerPublisher | None:
    """None where answers are not published. Replicas share one response log and take turns."""
    if not publishes_answers(settings):
        return None
    queue = SqlAnswerQueue(responses)
    if settings.replicas == 1:
        return AnswerPublisher(queue, bus)
    turn = HeldTurn(side.leases, "answers", f"{socket.gethostname()}:{os.getpid()}")
    return AnswerPublisher(queue, bus, turn.mine)
