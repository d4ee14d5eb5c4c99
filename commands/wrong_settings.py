"""Which setting an error comes from: looked for only when a command has failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic_settings import SettingsError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from adapters.postgresql_engine import DRIVER
from adapters.signing import open_verifier, public_key_file
from composition import open_snapshots
from settings import PREFIX, Settings

# What libraries raise for URLs and key files that they cannot use.
_REFUSALS = (ValueError, TypeError, ImportError, OSError, ArgumentError, UnsupportedAlgorithm)


def wrong_setting(error: Exception) -> str | None:
    """One line that names the settings behind `error`; None when they are all usable."""
    if isinstance(error, SettingsError):
        return str(error)
    if not isinstance(error, _REFUSALS):
        return None
    return "; ".join(_found(Settings())) or None


def _found(settings: Settings) -> Iterator[str]:
    for name, url in (
        ("store_url", settings.store()),
        ("log_url", settings.log()),
        ("responses_url", settings.responses()),
    ):
        yield from _tried(name, lambda url=url: _database(url))  # type: ignore[misc]
    yield from _tried("snapshots_url", lambda: open_snapshots(settings))
    private = settings.signing_key()
    if private.exists():
        yield from _tried("signing_key_file", lambda: _private_key(private), private)
    public = public_key_file(private)
    if public.exists():
        yield from _tried("signing_key_file", lambda: open_verifier([public]), public)
    for file in settings.verify_key_files:
        yield from _tried("verify_key_files", lambda file=file: open_verifier([file]), file)  # type: ignore[misc]


def _tried(field: str, use: Callable[[], object], file: Path | None = None) -> Iterator[str]:
    try:
        use()
    except _REFUSALS as error:
        # The reasons of cryptography are links and hints of a paragraph.
        reason = str(error).split(". ")[0]
        yield f"{PREFIX}{field.upper()}: {f'{file}: ' if file else ''}{reason}"


def _database(url: str) -> None:
    parsed = make_url(url)
    dialect = parsed.get_dialect()
    try:
        dialect.import_dbapi()
    except ImportError as error:
        raise ImportError(f"{parsed.drivername}: {error}") from error
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ValueError("SQLite needs a file")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql", DRIVER):
        raise ValueError(f"{parsed.drivername}: use sqlite or {DRIVER}")


def _private_key(file: Path) -> None:
    load_pem_private_key(file.read_bytes(), password=None)
