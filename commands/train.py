"""`train`: fit, judge, sign and publish models; what the server runs as its training child."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from threading import Thread

import click

from adapters.json_log import configure_json_log
from clock import now_ms
from commands.audit_writing import policy_of
from commands.outcome import EXIT_FAILED, EXIT_OK, EXIT_UNUSABLE
from commands.training_log import TrainingLog
from commands.training_parts import TrainingParts, open_training
from commands.training_run import (
    LEASE_S,
    RETRAIN_LEASE,
    TrainingOptions,
    train_and_publish,
)
from recommender.errors import LeaseLost, NothingToTrainOn
from recommender.gate import GateBounds
from recommender.rerank.chain import chain_of
from recommender.weighting import Weighting
from settings import Settings
from workers.held_lease import HeldLease
from workers.parent_watch import watch_parent, yield_to_parent

_EXIT_OF = {"published": EXIT_OK, "held": EXIT_OK, "nothing": EXIT_UNUSABLE}


@click.command("train")
@click.option("--model", "models", multiple=True,
              help="Model to fit; the best is served until a switch says otherwise.")
@click.option("--reason", default="by hand", show_default=True, help="Written to the log.")
@click.option("--actor", default="command line", show_default=True, help="Written to the log.")
@click.option(
    "--watch-parent",
    is_flag=True,
    help="End when standard input ends, and leave the processor to others.",
)
@click.option("--json", "as_json", is_flag=True, help="Print progress as JSON lines.")
def command(
    models: tuple[str, ...], reason: str, actor: str, watch_parent: bool, as_json: bool
) -> int:  # fmt: skip
    """Fit the models on a new snapshot, judge them, sign and publish them, serve one.

    Served is the best that passes the gate, or the one that POST /switch?model=<name> chose; none
    while the serving model is held, as after a rollback.
    """
    settings = Settings()
    configure_json_log(settings.log_level)
    if models:
        settings = settings.model_copy(update={"models": list(models)})
    return run_training(settings, click.echo, reason, actor, as_json, watch_parent)


def run_training(
    settings: Settings, progress: Callable[[str], None], reason: str = "by hand",
    actor: str = "command line", as_json: bool = False, in_background: bool = False,
) -> int:  # fmt: skip
    """One training from lease to publication; returns the exit code.

    The last line tells the outcome: published, refused (by the gate; kept, not served), held (as
    published, but another choice of what to serve was made), nothing (too little data), busy
    (another process trains), lease_lost or failed.

    Args:
        progress: gets each line.
        in_background: be nice to other processes, and end the process when standard input ends.

    Raises:
        InvalidField: an unknown model or split.
        StoreUnavailable: the store cannot be opened or written.
        UnusableKey: there is no private key to the public one.
    """
    began = time.monotonic()
    log = TrainingLog(settings.data_folder / "training.log", progress, as_json, now_ms)
    log.note("started", reason=reason, actor=actor, models=list(settings.models))
    outcome = "failed"
    try:
        with open_training(settings) as parts:
            outcome = _under_lease(parts, _options(settings, actor, reason), log, in_background)
    except NothingToTrainOn as error:
        outcome = "nothing"
        log.progress(str(error))
    except LeaseLost as error:
        outcome = "lease_lost"
        log.progress(str(error))
    except Exception as error:
        log.note("error", text=str(error) or repr(error))
        raise
    finally:
        log.note("finished", outcome=outcome, seconds=round(time.monotonic() - began, 3))
    return _EXIT_OF.get(outcome, EXIT_FAILED)


def _options(settings: Settings, actor: str, reason: str) -> TrainingOptions:
    return TrainingOptions(
        tuple(dict.fromkeys(settings.models)), settings.split, _bounds(settings),
        settings.models_kept, settings.training_budget_s, _weighting(settings), actor,
        reason, policy_of(settings), settings.audit_pictures,
        tuple(settings.canary_steps_percent) if settings.canary_trained_models else (),
        chain_of(settings.rerank, settings.rerank_pool),
    )  # fmt: skip


def _bounds(settings: Settings) -> GateBounds:
    return GateBounds(
        settings.gate_margin, settings.gate_coverage_margin, settings.gate_gini_margin,
        settings.gate_group_floor,
    )  # fmt: skip


def _weighting(settings: Settings) -> Weighting:
    return Weighting(
        settings.weight_time_half_life_days, settings.weight_time_strata,
        settings.weight_rare_balance, settings.weight_propensity_power,
        settings.weight_account_half_life_days,
    )  # fmt: skip


def _under_lease(
    parts: TrainingParts, options: TrainingOptions, log: TrainingLog, in_background: bool
) -> str:
    holder = f"{socket.gethostname()}:{os.getpid()}"
    token = parts.leases.acquire(RETRAIN_LEASE, holder, LEASE_S)
    if token is None:
        return "busy"

    def abandon(outcome: str) -> None:
        # From whatever thread, at once: what is not registered yet never will be.
        try:
            log.note("finished", outcome=outcome)
        finally:
            os._exit(EXIT_FAILED)

    lease = HeldLease(parts.leases, RETRAIN_LEASE, token, LEASE_S, lambda: abandon("lease_lost"))

    def ended(outcome: str) -> None:
        try:
            lease.give_up()  # else the next start would wait until it expires
        finally:
            abandon(outcome)

    if in_background:
        yield_to_parent()
        _on_termination(lambda: ended("stop"))
        watch_parent(sys.stdin.fileno(), lambda: ended("parent_gone"))
    with lease:
        return train_and_publish(parts, options, lease, log, holder, lambda: abandon("lease_lost"))


def _on_termination(act: Callable[[], None]) -> None:
    # Python runs a handler only when the main thread leaves C code, which a fit may not do for a
    # while; the wakeup descriptor is written to at once, and a thread waits for that.
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    signal.set_wakeup_fd(theirs)

    def wait() -> None:
        os.read(ours, 1)
        act()

    Thread(target=wait, name="termination", daemon=True).start()
