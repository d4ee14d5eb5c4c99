"""`run`: get ready, then serve. What `make run` calls."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from commands.announce import address_of
from commands.prepare import columns_option, data_option


@click.command("run")
@data_option
@columns_option
def command(data: Path | None, columns: str | None) -> None:
    """Prepare (see `prepare`) and serve until SIGTERM or Ctrl-C."""
    import app
    from settings import Settings

    settings = Settings()
    # In a process of its own: the server forks, and what preparing needs would stay in memory.
    entry = str(Path(app.__file__).with_name("fairreel.py"))
    source = ["--data", str(data)] if data else []
    source += ["--columns", columns] if columns else []
    code = subprocess.run([sys.executable, entry, "prepare", *source], check=False).returncode
    if code:
        sys.exit(code)
    announce = [sys.executable, entry, "announce", address_of(settings.host, settings.port)]
    # A process and not a thread: the server forks, and a lock held by a thread at that moment
    # (that of an import, say) stays locked in the fork for ever.
    subprocess.Popen([*announce, *(["--keys-required"] if settings.client_keys() else [])])
    app.serve()
