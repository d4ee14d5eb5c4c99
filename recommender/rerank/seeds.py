"""Chance that can be repeated: the same user in the same period draws the same films.

So a list may be kept, a trace can be made again, and whoever reloads a page does not get another
draw. Between users and between periods draws are independent.
"""

from __future__ import annotations

from hashlib import blake2b

_MASK = (1 << 64) - 1


def seed_of(user_id: str, period: int) -> int:
    """64 bits for a user in a period (its number since 1970): BLAKE2b-64 of both."""
    return int.from_bytes(blake2b(f"{period}\0{user_id}".encode(), digest_size=8).digest(), "big")


def uniform(seed: int, stream: int) -> float:
    """A number in [0, 1); streams of one seed are independent (SplitMix64, Steele et al. 2014)."""
    bits = (seed + (stream + 1) * 0x9E3779B97F4A7C15) & _MASK
    bits = ((bits ^ bits >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    bits = ((bits ^ bits >> 27) * 0x94D049BB133111EB) & _MASK
    return ((bits ^ bits >> 31) >> 11) / (1 << 53)
