"""What is kept in memory of each user between two of their events: encoded history and lists.

Keeping is an optimisation only: an entry is dropped with the user's next applied event, with any
change of the store by another process, and is ignored as soon as another model serves.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from threading import Lock
from typing import Generic, TypeVar

from recommender.errors import StoreUnavailable
from recommender.types import History

Encoded = TypeVar("Encoded")
Kept = TypeVar("Kept")

# A user asks in a handful of ways; more would be someone probing, and memory has to stay bounded.
LISTS_PER_USER = 8


class KeptUser(Generic[Encoded, Kept]):
    """One user's state under one model."""

    __slots__ = ("encoded", "history_version", "lists", "model_version")

    def __init__(self, model_version: int, history_version: int, encoded: Encoded) -> None:
        self.model_version = model_version
        self.history_version = history_version
        self.encoded = encoded
        self.lists: dict[Hashable, Kept] = {}

    def keep(self, options: Hashable, answer: Kept) -> None:
        """Keep the list for these options; the whole of them is dropped when there are many."""
        if len(self.lists) >= LISTS_PER_USER:
            self.lists.clear()
        self.lists[options] = answer


class KeptUsers(Generic[Encoded, Kept]):
    """Least recently used users are dropped first; safe for many threads.

    Args:
        load: reads a user's history from the store.
        maximum: users kept; 0 keeps none.
        newest_version: the version that a user's history has in the store now. Given, what is
            kept under another version is not used: other processes apply events too. While the
            store does not answer nobody can apply any, so what is kept is used.
    """

    def __init__(
        self, load: Callable[[str], History], maximum: int,
        newest_version: Callable[[str], int] | None = None,
    ) -> None:  # fmt: skip
        self._load = load
        self._maximum = maximum
        self._newest_version = newest_version
        self._users: OrderedDict[str, KeptUser[Encoded, Kept]] = OrderedDict()
        self._lock = Lock()
        self._forgotten = 0

    def get(
        self, user_id: str, model_version: int, encode: Callable[[History], Encoded]
    ) -> KeptUser[Encoded, Kept]:
        """The user's state under the model of this version, loaded and encoded when not kept."""
        with self._lock:
            user = self._users.get(user_id)
            if user is not None and user.model_version == model_version:
                self._users.move_to_end(user_id)
            else:
                user = None
            forgotten = self._forgotten
        if user is not None and self._is_newest(user_id, user):
            return user
        history = self._load(user_id)
        user = KeptUser(model_version, history.version, encode(history))
        with self._lock:
            # An event applied while we were reading may not be in what we read: don't keep it.
            if forgotten == self._forgotten and self._maximum:
                self._users[user_id] = user
                self._users.move_to_end(user_id)
                if len(self._users) > self._maximum:
                    self._users.popitem(last=False)
        return user

    def _is_newest(self, user_id: str, user: KeptUser[Encoded, Kept]) -> bool:
        if self._newest_version is None:
            return True
        try:
            return self._newest_version(user_id) == user.history_version
        except StoreUnavailable:
            return True

    def forget(self, user_ids: Iterable[str]) -> None:
        """Drop these users; called after each apply transaction, before anyone is told of it."""
        with self._lock:
            self._forgotten += 1
            for user_id in user_ids:
                self._users.pop(user_id, None)

    def forget_all(self) -> None:
        """Drop everyone; for changes that did not come through this process."""
        with self._lock:
            self._forgotten += 1
            self._users.clear()

    def __len__(self) -> int:
        return len(self._users)
