"""What the domain, the web and the workers ask of the outside world.

Each protocol has a contract suite under tests/ that every adapter passes. Times are UTC
milliseconds. Every method that touches a database may raise `StoreUnavailable`.
"""

from recommender.ports.access import ApiKeys, AuditLog
from recommender.ports.audits import AuditGauge, AuditReports
from recommender.ports.catalogue import Catalogue, Imports
from recommender.ports.erasure import ErasesUser, StoreErasure
from recommender.ports.events import Consumer, EventBus, EventStore, Outbox, RelayQueue
from recommender.ports.models import AllowList, JobLeases
from recommender.ports.observation import AnswerQueue, ProgramState, ResponseLog, Telemetry
from recommender.ports.review import EventReview
from recommender.ports.rollouts import Rollouts

__all__ = [
    "AllowList",
    "AnswerQueue",
    "ApiKeys",
    "AuditGauge",
    "AuditLog",
    "AuditReports",
    "Catalogue",
    "Consumer",
    "ErasesUser",
    "EventBus",
    "EventReview",
    "EventStore",
    "Imports",
    "JobLeases",
    "Outbox",
    "ProgramState",
    "RelayQueue",
    "ResponseLog",
    "Rollouts",
    "StoreErasure",
    "Telemetry",
]
