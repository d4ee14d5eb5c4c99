"""A page of the browser that notes what no page of ours may do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request

WITHIN_MS = 15_000
_REPORT_VIOLATIONS = """addEventListener("securitypolicyviolation", event =>
  policyViolated(`${event.violatedDirective}: ${event.blockedURI} in ${event.sourceFile}`));"""
_LOAD_FAILED = "Failed to load resource"


@dataclass
class Watch:
    """What a page did.

    `complaints` are errors on the console, exceptions and violations of the policy; `failed` are
    answers with an error status or none at all, which some tests provoke; `elsewhere` are requests
    to other addresses than `home`.
    """

    home: str
    complaints: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def observe(self, page: Page) -> None:
        """Note what happens in this page from now on."""
        page.expose_function("policyViolated", self._violated)
        page.add_init_script(_REPORT_VIOLATIONS)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._asked)

    def _violated(self, what: str) -> None:
        self.complaints.append(f"policy violated: {what}")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            load_failed = message.text.startswith(_LOAD_FAILED)
            noted = self.failed if load_failed else self.complaints
            noted.append(f"{message.text} ({message.location.get('url', '')})")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((f"{self.home}/", "data:", "blob:")):
            self.elsewhere.append(request.url)


@contextmanager
def watched_page(context: BrowserContext, home: str) -> Iterator[tuple[Page, Watch]]:
    """A new page of this context; `home` is the address of the program."""
    page, watch = context.new_page(), Watch(home)
    page.set_default_timeout(WITHIN_MS)
    watch.observe(page)
    try:
        yield page, watch
    finally:
        page.close()
