"""Film titles as lists of films write them: "Matrix, The (1999)" is The Matrix of 1999."""

from __future__ import annotations

import re

_YEAR = re.compile(r"\s*\((\d{4})(?:\s?[-–]\s?(?:\d{4})?)?\)\s*(?:\((?:V|TV|VG)\))?\s*$")  # noqa: RUF001
_ARTICLES = (
    "The|A|An|La|Le|Les|L'|Il|I|Lo|Gli|El|Los|Las|Un|Una|Une|Der|Die|Das|Ein|Eine|De|Het|Det|Den|En|"
    "Et|O|Os|As"
)
_ALSO_WORDS = frozenset({"As", "Das", "De", "Den", "Die", "En", "I", "O", "Os"})
# The article stands last in the title, or last before a bracket with another title in it.
_MOVED = re.compile(rf"^([^()]+?), ({_ARTICLES})(?=\s*(?:\(|$))")
_MOVED_INSIDE = re.compile(rf"\(((?:a\.k\.a\. )?)([^()]+?), ({_ARTICLES})\)")
_FIRST_YEAR, _LAST_YEAR = 1870, 2200


def split_title(written: str) -> tuple[str, int | None]:
    """Title with its article in front, and the year (None when there is none).

    >>> split_title("City of Lost Children, The (Cité des enfants perdus, La) (1995)")
    ('The City of Lost Children (La Cité des enfants perdus)', 1995)
    """
    found = _YEAR.search(written)
    year = int(found.group(1)) if found else None
    if found and year is not None and _FIRST_YEAR <= year <= _LAST_YEAR:
        title = written[: found.start()]
    else:
        title, year = written, None
    title = " ".join(title.split())
    title = _MOVED.sub(lambda m: _in_front(m[2], m[1]) or m[0], title)
    title = _MOVED_INSIDE.sub(
        lambda m: f"({m[1]}{_in_front(m[3], m[2]) or f'{m[2]}, {m[3]}'})", title
    )
    return title or written.strip(), year


def _in_front(article: str, rest: str) -> str | None:
    """None when it is rather the last word of a list: "Live, Love, Die"."""
    if article in _ALSO_WORDS and "," in rest:
        return None
    return f"{article}{rest}" if article.endswith("'") else f"{article} {rest}"
