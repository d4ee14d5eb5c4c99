"""The retention job: retire old models, then remove their files."""

from __future__ import annotations

from collections.abc import Callable, Collection

import structlog

from recommender.ports import AllowList
from recommender.retention import models_to_retire
from recommender.types import ModelStatus

_log = structlog.get_logger(__name__)


class Retention:
    """Keeps the newest models of each name.

    Args:
        present: version ids that have files.
        delete: removes the files of a version id.
        keep: models kept for each name.
        clock: UTC milliseconds.
    """

    def __init__(
        self, allow_list: AllowList, present: Callable[[], Collection[str]],
        delete: Callable[[str], None], keep: int, clock: Callable[[], int],
    ) -> None:  # fmt: skip
        self._allow_list = allow_list
        self._present = present
        self._delete = delete
        self._keep = keep
        self._clock = clock

    def run(self) -> list[str]:
        """Returns the version ids whose files were removed.

        A model is taken off the allow-list before its files go, so a crash in between leaves
        files that nothing loads and the next run removes.
        """
        for record in models_to_retire(self._allow_list.records(), self._keep):
            try:
                self._allow_list.set_status(record.version_id, ModelStatus.RETIRED, self._clock())
            except ValueError:
                _log.info("model_kept", version_id=record.version_id)  # it was switched to just now
        retired = {
            record.version_id
            for record in self._allow_list.records()
            if record.status is ModelStatus.RETIRED
        }
        removed = sorted(retired.intersection(self._present()))
        for version_id in removed:
            self._delete(version_id)
            _log.info("model_deleted", version_id=version_id)
        return removed
