"""`replay-request`: make a logged list again, from its model and the history of that time."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import click
import orjson

from adapters.history_at import history_at
from commands.outcome import EXIT_FAILED, EXIT_OK, emit, json_option
from composition import open_model_files, open_response_log, open_store
from recommender.bundle import ModelBundle
from recommender.errors import InvalidField, NotFound
from recommender.rerank.chain import chain_of
from recommender.rerank.conditions import Conditions
from recommender.rerank.seeds import seed_of
from recommender.serving import (
    Recommendation,
    RecommendOptions,
    encode,
    recommend_encoded,
    without_history,
)
from recommender.serving_configuration import HOLDOUT_VARIANT
from recommender.types import AnsweredRecord, History
from settings import Settings


@click.command("replay-request")
@click.argument("request_id")
@json_option
def command(request_id: str, as_json: bool) -> int:
    """Recompute the list of a request and tell whether it is identical.

    Films, reasons, personalisation and fallback are compared. Exit code 1 when they differ, or
    when the model or the history of that time is gone.
    """
    settings = Settings()
    with closing(open_response_log(settings)) as log:
        logged = log.trace(request_id)
    if logged is None:
        raise NotFound(f"no answer was logged under {request_id}")
    body: dict[str, Any] = orjson.loads(logged.body)
    if not logged.model_version or logged.status != 200:
        raise NotFound(f"{request_id} was answered without a model")
    with closing(open_store(settings)) as side:
        record = side.allow_list.find(logged.model_version)
        if record is None:
            raise NotFound(f"there is no model {logged.model_version}")
        bundle = open_model_files(settings, publishing=False).load_served(record).bundle
        history = history_at(side.store, side.engine, logged.user_id, logged.history_version)
    shown, again = said(body), computed(_again(settings, logged, body, bundle, history))
    identical = shown == again
    summary = {
        "request_id": request_id, "user_id": logged.user_id, "variant": logged.variant,
        "model_version": logged.model_version, "history_version": logged.history_version,
        "identical": identical, "shown": shown, "recomputed": again,
    }
    lines = [f"{request_id}: {'identical' if identical else 'DIFFERENT'} (model "
             f"{logged.model_version}, history version {logged.history_version})"]
    if not identical:
        lines += [f"shown:      {_films(shown)}", f"recomputed: {_films(again)}"]
    emit(summary, as_json, lines)
    return EXIT_OK if identical else EXIT_FAILED


def _again(settings: Settings, logged: AnsweredRecord, body: Mapping[str, Any],
           bundle: ModelBundle, history: History) -> Recommendation:
    """The list, by the chain that the answer names and with the draws of its time.

    Raises:
        InvalidField: the chain reads what was shown at that time, which is not kept.
    """
    chain = chain_of(body["provenance"].get("rerank") or {}, settings.rerank_pool)
    if chain.reads_exposures:
        raise InvalidField("rerank", "its chain reads how often films were shown lately, which is "
                           "not kept: such a list cannot be made again")
    period = logged.timestamp_ms // (settings.rerank_period_s * 1000)
    conditions = Conditions(seed_of(logged.user_id, period) if chain.draws else 0)
    options, user = asked_options(body), encode(bundle, history)
    if logged.variant != HOLDOUT_VARIANT:
        return recommend_encoded(bundle, user, options, chain, conditions)
    found = recommend_encoded(bundle, without_history(user), options, chain, conditions)
    return found._replace(fallback=None)


def asked_options(body: Mapping[str, Any]) -> RecommendOptions:
    """What the request asked for, as far as it was not the default."""
    asked = body["provenance"].get("asked") or {}
    return RecommendOptions(body["k"], tuple(asked.get("exclude", ())), asked.get("genre"),
                            bool(asked.get("include_seen", False)))


def said(body: Mapping[str, Any]) -> dict[str, Any]:
    """What is compared, of an answer."""
    films = body["recommendations"]
    return {
        "item_ids": [film["item_id"] for film in films],
        "reasons": [[film["reason"]["kind"], *film["reason"]["item_ids"]] for film in films],
        "is_personalized": body["is_personalized"], "fallback": body["fallback"],
    }


def computed(found: Recommendation) -> dict[str, Any]:
    """What is compared, of a list made now."""
    return {
        "item_ids": list(found.item_ids),
        "reasons": [[reason.kind.value, *reason.item_ids] for reason in found.reasons],
        "is_personalized": found.is_personalized,
        "fallback": None if found.fallback is None else found.fallback.value,
    }


def _films(of: Mapping[str, Any]) -> str:
    return ", ".join(of["item_ids"])
