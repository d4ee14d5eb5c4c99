"""Lists of models that may be loaded beside the one that serves."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from recommender.errors import NotFound
from recommender.ports import AllowList
from recommender.types import LOADABLE, ModelRecord
from web.lists import Lists
from web.services import ServedModel

LoadModel = Callable[[ModelRecord], ServedModel]
_LOADED_MAX = 2


class ModelLists:
    """`load` verifies a model's files before it reads them; the two used last stay loaded."""

    def __init__(self, allow_list: AllowList, lists: Lists, load: LoadModel) -> None:
        self._allow_list = allow_list
        self._lists = lists
        self._load = load
        self._loaded: OrderedDict[str, Lists] = OrderedDict()
        self._lock = Lock()

    def of(self, reference: str) -> Lists:
        """The lists of the model of this version id, integer version or name.

        Raises:
            NotFound: there is no such model that may be loaded.
            ModelRefused: its files are not those that were published.
        """
        record = self._allow_list.find(reference)
        if record is None or record.status not in LOADABLE:
            raise NotFound(f"there is no model {reference} to choose")
        with self._lock:
            found = self._loaded.get(record.version_id)
            if found is None:
                found = self._lists.of_model(self._load(record))
                self._loaded[record.version_id] = found
            self._loaded.move_to_end(record.version_id)
            if len(self._loaded) > _LOADED_MAX:
                self._loaded.popitem(last=False)
        return found
