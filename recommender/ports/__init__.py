"""What the domain, the web and the workers ask of the outside world.

Each protocol has a contract suite under tests/ that every adapter passes. Times are UTC
milliseconds. Every method that touches a database may raise `StoreUnavailable`.
"""

from recommender.ports.access import ApiKeys, AuditLog
from recommender.ports.audits import AuditGauge, AuditReports
from recommender.ports.catalogue import Catalogue, Imports
from recommender.ports.events import Consumer, EventBus, EventStore, Outbox, RelayQueue
from recommender.ports.models import AllowList, JobLeases
from recommender.ports.observation import ProgramState, ResponseLog, Telemetry
from recommender.ports.review import EventReview

__all__ = [
    "AllowList",
    "ApiKeys",
    "AuditGauge",
    "AuditLog",
    "AuditReports",
    "Catalogue",
    "Consumer",
    "EventBus",
    "EventReview",
    "EventStore",
    "Imports",
    "JobLeases",
    "Outbox",
    "ProgramState",
    "RelayQueue",
    "ResponseLog",
    "Telemetry",
]
