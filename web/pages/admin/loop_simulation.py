"""The feedback loop simulated, for administrators: the stored report of `simulate loop`."""

from __future__ import annotations

from typing import Any

from flask import Response

from web.operations import Who, page
from web.pages import frame
from web.pages.admin.audit_definitions import DEFINITIONS
from web.surface import Surface

REPORT = "loop_simulation_results"
CHARTED = ("no_mitigation", "cap_and_genres", "random", "oracle")
"""Four lines can be told apart; the table has all arms."""


_DEFINED = ("gini", "coverage", "utility")


class LoopSimulationPage:
    """Reads the newest report; simulates nothing."""

    def __init__(self, surface: Surface) -> None:
        self._reports = surface.services.audits

    def loop_simulation(self) -> Response:
        """The page."""
        report = self._reports.report(REPORT)
        worlds = [] if report is None else [_world(world) for world in report["worlds"]]
        return frame.page("admin/loop_simulation.html", report=report, worlds=worlds,
                          definitions=[one for one in DEFINITIONS if one.name in _DEFINED])


def _world(world: dict[str, Any]) -> dict[str, Any]:
    arms = {arm["name"]: arm for arm in world["arms"]}
    charted = [name for name in CHARTED if name in arms]
    return {
        "name": world["parameters"]["name"],
        "parameters": world["parameters"],
        "rounds": [str(n) for n in range(1, world["parameters"]["rounds"] + 1)],
        "lines": {
            measure: [(name.replace("_", " "), arms[name]["over_time"][measure]["mean"])
                      for name in charted]
            for measure in ("gini", "utility")
        },
        "rows": [
            (name.replace("_", " "), f"{arm['end']['gini']['value']:.3f}",
             f"{arm['end']['coverage']['value']:.3f}", f"{arm['end']['utility']['value']:.4f}",
             _change(arm["change"]["gini"]), _change(arm["change"]["utility"]))
            for name, arm in arms.items()
        ],
    }


def _change(measured: dict[str, float]) -> str:
    return f"{measured['value']:+.1%} [{measured['low']:+.1%}, {measured['high']:+.1%}]"


def register(surface: Surface) -> None:
    """Add this route."""
    surface.table.topic("admin_loop_simulation", (
        (page("GET", "/admin/loop-simulation", "The feedback loop simulated", Who.ADMIN,
              menu="Loop simulation"), LoopSimulationPage(surface).loop_simulation),
    ))
