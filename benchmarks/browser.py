"""Debian's Chromium, headless: for the tests of the pages, their pictures and their times."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, ViewportSize, sync_playwright

PROGRAM = "chromium"
PHONE: ViewportSize = {"width": 360, "height": 740}
DESK: ViewportSize = {"width": 1280, "height": 900}


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser until the block ends.

    Raises:
        RuntimeError: it is not installed.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise RuntimeError(f"needs {PROGRAM}; on Debian: apt-get install {PROGRAM}")
    with sync_playwright() as playwright:
        # As root, as in a container, Chromium does not start with its sandbox.
        browser = playwright.chromium.launch(executable_path=program, chromium_sandbox=False)
        try:
            yield browser
        finally:
            browser.close()
