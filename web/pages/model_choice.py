"""Lists through the eyes of another model than the one that serves."""

from __future__ import annotations

from recommender.errors import NotFound
from recommender.types import LOADABLE, ModelRecord, ModelStatus
from web.lists import Lists
from web.model_lists import ModelLists
from web.pages.frame import minute
from web.surface import Surface


class ModelChoice:
    """For development, and for administrators: others get what serves."""

    def __init__(self, surface: Surface, lists: Lists, models: ModelLists) -> None:
        self._for_all = not surface.options.client_keys_required
        self._admin = surface.admin
        self._allow_list = surface.services.allow_list
        self._lists = lists
        self._models = models

    def offered(self) -> list[tuple[str, str]]:
        """(value, text): the serving model, then by version id the newest other one of each name.

        Empty for those who may not choose, and when there is no other.
        """
        if not self._allowed():
            return []
        newest: dict[str, ModelRecord] = {}
        for record in self._allow_list.records():
            if record.status in LOADABLE and record.status is not ModelStatus.SERVING:
                newest.setdefault(record.name, record)
        others = [(record.version_id, f"{record.name}, {minute(record.created_at_ms)}")
                  for record in newest.values()]
        return [("", "The usual one"), *others] if others else []

    def lists(self, version_id: str | None) -> Lists:
        """The lists of a model, those of the serving one for None.

        Raises:
            NotFound: there is no such model that may be loaded, or others may choose only.
            ModelRefused: its files are not those that were published.
        """
        if version_id is None:
            return self._lists
        record = self._allow_list.find(version_id) if self._allowed() else None
        if record is None or record.version_id != version_id:
            raise NotFound(f"there is no model {version_id} to choose")
        return self._models.of(version_id)

    def _allowed(self) -> bool:
        return self._for_all or self._admin.key() is not None
