"""axe-core on a page: what keeps people from using it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")
_GRAVE = {"serious", "critical"}
_RUN = """async rules => {
  const options = { resultTypes: ["violations"] };
  if (rules) options.runOnly = { type: "rule", values: rules };
  return (await axe.run(document, options)).violations;
}"""


def grave_violations(page: Page, rules: Sequence[str] | None = None) -> list[str]:
    """Serious and critical violations on the page as it is now, one line for each element.

    `rules` names the only rules to check; without it all are. The page's policy stays in force:
    the driver evaluates, the page loads nothing.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found = page.evaluate(_RUN, list(rules) if rules is not None else None)
    return [line for violation in found if violation["impact"] in _GRAVE
            for line in _lines(violation)]


def _lines(violation: dict[str, Any]) -> list[str]:
    return [f"{violation['id']} ({violation['impact']}): {' '.join(map(str, node['target']))}: "
            f"{node['failureSummary']}" for node in violation["nodes"]]
