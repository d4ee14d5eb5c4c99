"""Time-ordered request ids: UUID version 7 (RFC 9562, section 5.7)."""

from __future__ import annotations

RANDOM_BITS = 74
_LOW = (1 << 62) - 1
_TIME = (1 << 48) - 1


def request_id(at_ms: int, random_bits: int) -> str:
    """A UUIDv7 in its 36-character text form; ids of later milliseconds sort later.

    `at_ms` is UTC milliseconds (48 bits are kept), `random_bits` an integer of 74 random bits.
    """
    number = (
        (at_ms & _TIME) << 80
        | 0x7 << 76
        | (random_bits >> 62 & 0xFFF) << 64
        | 0x2 << 62
        | random_bits & _LOW
    )
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
