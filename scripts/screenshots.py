"""`make screenshots`: pictures of the pages over the demo world.

Without arguments the few that README shows, into docs/screenshots, after minutes of traffic. With
--all FOLDER every page, 360 and 1280 pixels wide, light and dark, to be looked at.
"""

from __future__ import annotations

import argparse
import base64
import re
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import CDPSession, Page, ViewportSize

from benchmarks.browser import DESK, PHONE, chromium
from benchmarks.demo import KNOWN_USER, make_demo
from benchmarks.people import People, Person
from benchmarks.program import ROOT, Program
from benchmarks.visits import Visit, example_values, visits
from recommender.simulate import WorldSpec

KEPT = ROOT / "docs" / "screenshots"
_QUALITIES = (55, 45, 35, 28)
_MAX_BYTES = 60_000
_WEBP_MAX_HEIGHT = 16_383
_TALL: ViewportSize = {"width": DESK["width"], "height": 1_150}
_TRAFFIC_S = 200  # the overview shows minutes
Scheme = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Picture:
    """A page in a window."""

    name: str
    visit: Visit
    window: ViewportSize
    scheme: Scheme = "light"


FOR_README = (
    Picture("discovery", Visit("/", Person.KNOWN), DESK),
    Picture("start-phone", Visit("/", Person.NEW), PHONE),
    Picture("film-phone-dark", Visit("/film/<item_id>", Person.KNOWN), PHONE, "dark"),
    Picture("admin", Visit("/admin", Person.ADMIN), _TALL),
    Picture("models", Visit("/admin/models", Person.ADMIN), DESK),
)


def every_page() -> list[Picture]:
    """Each visit in both widths and both colour schemes."""
    sizes: tuple[tuple[str, ViewportSize], ...] = (("1280", DESK), ("360", PHONE))
    schemes: tuple[Scheme, ...] = ("light", "dark")
    return [
        Picture(f"{_file_name(visit.rule)}-{visit.person.name.lower()}-{width}-{scheme}",
                visit, window, scheme)
        for visit in visits() for width, window in sizes for scheme in schemes
    ]


def take(people: People, picture: Picture, path: str, whole: bool) -> bytes:
    """The picture as WebP, in the best quality that keeps it small; `whole` shows the page down
    to its end.
    """
    with closing(people.context(picture.visit.person, viewport=picture.window,
                                color_scheme=picture.scheme)) as context:
        page = context.new_page()
        page.goto(path)
        page.wait_for_load_state("networkidle")
        image = b""
        for quality in _QUALITIES:
            image = _capture(page, whole, quality)
            if len(image) <= _MAX_BYTES:
                break
        return image


def _capture(page: Page, whole: bool, quality: int) -> bytes:
    # Chromium's own WebP: a third of a PNG, and no library to shrink one.
    session = page.context.new_cdp_session(page)
    taken = session.send("Page.captureScreenshot", {
        "format": "webp", "quality": quality, "captureBeyondViewport": whole,
        **({"clip": _whole(session)} if whole else {})})
    return base64.b64decode(taken["data"])


def _whole(session: CDPSession) -> dict[str, float]:
    """The page down to its end, or as far as a WebP can be high: of more there would be nothing."""
    size = session.send("Page.getLayoutMetrics")["cssContentSize"]
    return {"x": 0, "y": 0, "width": size["width"],
            "height": min(size["height"], _WEBP_MAX_HEIGHT), "scale": 1}


def _file_name(rule: str) -> str:
    return re.sub(r"[^a-z]+", "-", rule.replace("<", "").lower()).strip("-") or "discovery"


def some_traffic(program: Program, admin_secret: str, seconds: float) -> None:
    """Lists, ratings and two retrains over this time, so that the charts have points."""
    admin = {"Authorization": f"Bearer {admin_secret}"}
    began = time.monotonic()
    retrains = [began + seconds / 3, began + 2 * seconds / 3]
    n = 0
    while n < 100 or time.monotonic() < began + seconds:
        n += 1
        user = f"u{1 + n * 7 % 900}"
        answer = program.ask("GET", f"/recommend?user_id={user}&k=10").json()
        film = answer["recommendations"][n % 5]["item_id"]
        program.ask("POST", "/rate", {"user_id": user, "item_id": film, "rating": 1 + n % 5})
        if seconds:
            time.sleep(0.1)
            if retrains and time.monotonic() > retrains[0]:
                retrains.pop(0)
                program.ask("POST", "/models/retrain", headers=admin)


def main() -> None:
    """Make the world, take the pictures, tell their sizes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="every page, into FOLDER")
    arguments = parser.parse_args()
    pictures = every_page() if arguments.all else FOR_README
    target: Path = arguments.all or KEPT
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="screenshots-") as folder:
        demo = make_demo(Path(folder), WorldSpec())
        with demo.program.start(), chromium() as browser:
            some_traffic(demo.program, demo.admin_secret, 0 if arguments.all else _TRAFFIC_S)
            people = People(browser, demo.program.address, demo.admin_secret, KNOWN_USER)
            examples = example_values(demo.program, people)
            for picture in pictures:
                image = take(people, picture, picture.visit.address(examples),
                             whole=arguments.all is not None)
                if not arguments.all and len(image) > _MAX_BYTES:
                    sys.exit(f"{picture.name}: {len(image):,} bytes, more than {_MAX_BYTES:,}")
                (target / f"{picture.name}.webp").write_bytes(image)
                print(f"{target / picture.name}.webp  {len(image) / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
