"""`announce`: where things are, printed once the server answers. `run` starts it beside itself."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request

import click

_READY_WITHIN_S = 60


@click.command("announce")
@click.argument("address")
@click.option("--keys-required", is_flag=True, help="Show where the key goes.")
def command(address: str, keys_required: bool) -> None:
    """Wait for the server at ADDRESS and print calls to try."""
    announce(address, keys_required)


def address_of(host: str, port: int) -> str:
    """The URL under which this machine reaches a server that listens on `host`."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (not bound to)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def announce(address: str, keys_required: bool) -> None:
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
Fairreel serves on {address}
  films       {address}/
  admin       {address}/admin   (log in with the admin key)
  API         {address}/docs
  health      {address}/ready

  curl -X POST {address}/rate{key} -H 'Content-Type: application/json' \\
       -d '{{"user_id": "user_123", "item_id": "{item_id}", "rating": 5}}'
  curl{key} '{address}/recommend?user_id=user_123&k=10'
  curl {address}/metrics
"""
