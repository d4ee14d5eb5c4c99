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
    address = address_of(settings.host, settings.port)
    threading.Thread(
        target=_announce, args=(address, settings.client_keys()), daemon=True).start()
    app.serve()


def address_of(host: str, port: int) -> str:
    """The URL under which this machine reaches a server that listens on `host`."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (not bound to)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def _announce(address: str, keys_required: bool) -> None:
    """Print where things are, once the server answers."""
    for _ in range(_READY_WITHIN_S * 10):
        if _answers(address):
            click.echo(banner(address, _some_film(address), keys_required))
            return
        time.sleep(0.1)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _some_film(address: str) -> str:
    """A film to try with: the banner is worth more than a real one, so it is asked for once."""
    try:
        with urllib.request.urlopen(f"{address}/movies?limit=1", timeout=2) as answer:
            films = json.load(answer)["movies"]
    except OSError:  # HTTP errors are among them: 401 where keys are required
        films = []
    return str(films[0]["item_id"]) if films else "movie_456"


def banner(address: str, item_id: str, keys_required: bool = False) -> str:
    """Addresses and three calls to try."""
    key = " -H 'X-API-Key: <key>'" if keys_required else ""
    return f"""
Fairreel serves on {address}   API: {address}/docs   health: {address}/ready

  curl -X POST {address}/rate{key} -H 'Content-Type: application/json' \\
       -d '{{"user_id": "user_123", "item_id": "{item_id}", "rating": 5}}'
  curl{key} '{address}/recommend?user_id=user_123&k=10'
  curl {address}/metrics
"""
