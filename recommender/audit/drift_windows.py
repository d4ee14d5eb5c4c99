"""Which two stretches of time the drift job compares, and whether events fill them."""

from __future__ import annotations

from dataclasses import dataclass

from recommender.arrays import Int64s

EDGE_SHARE = 0.1
"""Events must begin in the first and end in the last tenth of a window. Less than all of a window
has fewer events a person, which would be told as a drift of activity."""

BEFORE, LEARNED, AS_SET = "the window before", "what the serving model learned", "the time set"


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `from_ms` to before `to_ms`, UTC milliseconds."""

    from_ms: int
    to_ms: int

    def filled_by(self, at_ms: Int64s) -> bool:
        """Whether events at these times, int64 in any order, reach from its start to its end."""
        edge = int(EDGE_SHARE * (self.to_ms - self.from_ms))
        return len(at_ms) > 0 and bool(
            at_ms.min() < self.from_ms + edge and at_ms.max() >= self.to_ms - edge)


@dataclass(frozen=True, slots=True)
class DriftWindows:
    """Two stretches of equal length that share no moment; `against` says what the reference is."""

    reference: Stretch
    current: Stretch
    against: str


def windows_at(now_ms: int, length_ms: int, learned_to_ms: int | None,
               set_to_ms: int | None = None) -> DriftWindows:
    """The window that ends now and its reference: the last stretch that the serving model knows.

    A model that knows a part of the current window is no reference for it, so that the reference
    ends where the current window begins at the latest.

    Args:
        learned_to_ms: the newest event that the serving model was trained on, None without one.
        set_to_ms: where the reference ends by the settings, None when they leave it to the model.
    """
    from_ms = now_ms - length_ms
    against, to_ms = BEFORE, from_ms
    if set_to_ms is not None and set_to_ms <= from_ms:
        against, to_ms = AS_SET, set_to_ms
    elif set_to_ms is None and learned_to_ms is not None and learned_to_ms < from_ms:
        against, to_ms = LEARNED, learned_to_ms + 1
    return DriftWindows(Stretch(to_ms - length_ms, to_ms), Stretch(from_ms, now_ms), against)
