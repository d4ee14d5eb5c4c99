"""Text from outside, as every database takes it."""

from __future__ import annotations


def storable(text: str, length: int | None = None) -> str:
    """`text` without what a database refuses (NUL, lone surrogates), cut to `length` characters.

    For text that has to be kept whatever came; what must be exact is refused at the door.
    """
    return text.replace("\0", "\N{SYMBOL FOR NULL}").encode(errors="replace").decode()[:length]
