"""The settings as a list for people: name, value, source; no secret among them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from pydantic import SecretBytes, SecretStr

from settings import PREFIX, Settings
from web.services import SettingInForce

_GROUP = re.compile(r"^\s+# --- (.+)$")
_FIELD = re.compile(r"^    (\w+):")
_SECRET_NAME = re.compile(r"(password|secret|token|webhook|credential)(?!.*(_file|_s|_bytes)$)")
# To the last "@" before the path ends: passwords are not always escaped as they should be.
_USER_INFO = re.compile(r"(?<=://)([^:/@?#\s]*):[^\s]*@")
_SECRET_IN_QUERY = re.compile(
    r"([?&;][^=&;\s]*(?:password|secret|token|key|sig)[^=&;\s]*=)[^&;\s]+", re.IGNORECASE)
_HIDDEN = "(hidden)"


def settings_in_force(settings: Settings) -> tuple[SettingInForce, ...]:
    """All, in the order of the class. A default that depends on others is shown as it came out."""
    sources = settings.sources()
    effective = settings.effective()
    return tuple(
        SettingInForce(
            group, PREFIX + name.upper(),
            shown(name, effective.get(name, getattr(settings, name))), sources[name],
            " ".join((Settings.model_fields[name].description or "").split()),
        )
        for group, names in groups() for name in names
    )  # fmt: skip


def groups() -> Iterator[tuple[str, list[str]]]:
    """Fields of the class, then of its groups, under the headings that their comments give."""
    for part in (Settings, *Settings.__bases__[:-1]):
        group, names = "General", list[str]()
        for line in inspect.getsource(part).splitlines():
            if heading := _GROUP.match(line):
                if names:
                    yield group, names
                group, names = heading.group(1).capitalize(), []
            elif (field := _FIELD.match(line)) and field.group(1) in Settings.model_fields:
                names.append(field.group(1))
        yield group, names


def shown(name: str, value: object) -> str:
    """The value as text; passwords in URLs and whole secrets are left out."""
    if value is None or value == "":
        return "none"
    if isinstance(value, SecretStr | SecretBytes) or _SECRET_NAME.search(name):
        return _HIDDEN if value else "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {shown(name, entry)}" for key, entry in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(shown(name, entry) for entry in value) or "none"
    return without_passwords(str(value)) if isinstance(value, str | Path) else str(value)


def without_passwords(text: str) -> str:
    """The text with passwords of URLs, before the host or in the query, hidden."""
    return _SECRET_IN_QUERY.sub(rf"\1{_HIDDEN}", _USER_INFO.sub(rf"\1:{_HIDDEN}@", text))
