"""Which partition a key belongs to: the same answer as Kafka's default partitioner."""

from __future__ import annotations

from functools import lru_cache

from kafka.partitioner.default import murmur2


@lru_cache(maxsize=1 << 17)
def partition_of(key: str, partitions: int) -> int:
    """murmur2 of the UTF-8 bytes without its sign bit, modulo the number of partitions.

    Kept for each key: the hash is computed in Python (a few microseconds).
    """
    hashed: int = murmur2(key.encode())
    return (hashed & 0x7FFFFFFF) % partitions
