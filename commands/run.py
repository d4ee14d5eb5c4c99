"""`run`: get ready, then serve. What `make run` calls."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import click

_READY_WITHIN_S = 60


@click.command("run")
@click.option("--data", type=click.Path(path_type=Path), help="Folder or file to import first.")
def command(data: Path | None) -> None:
    """Prepare (see `prepare`) and serve until SIGTERM or Ctrl-C."""
    import app
    from settings import Settings

    settings = Settings()
    # In a process of its own: the server forks, and what preparing needs would stay in memory.
    command = [sys.executable, str(Path(app.__file__).with_name("fairreel.py")), "prepare"]
    code = subprocess.run(command + (["--data", str(data)] if data else []),
                          check=False).returncode
    if code:
        sys.exit(code)
    address = f"http://{settings.host}:{settings.port}"
    threading.Thread(target=_announce, args=(address,), daemon=True).start()
    app.serve()


def _announce(address: str) -> None:
    """Print where things are, once the server answers."""
    for _ in range(_READY_WITHIN_S * 10):
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):
                click.echo(banner(address, _some_film(address)))
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)


def _some_film(address: str) -> str:
    with urllib.request.urlopen(f"{address}/movies?limit=1", timeout=2) as answer:
        films = json.load(answer)["movies"]
    return str(films[0]["item_id"]) if films else "movie_456"


def banner(address: str, item_id: str) -> str:
    """Addresses and three calls to try."""
    return f"""
Fairreel serves on {address}   API: {address}/docs   health: {address}/ready

  curl -X POST {address}/rate -H 'Content-Type: application/json' \\
       -d '{{"user_id": "user_123", "item_id": "{item_id}", "rating": 5}}'
  curl '{address}/recommend?user_id=user_123&k=10'
  curl {address}/metrics
"""
