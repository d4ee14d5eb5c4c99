"""Keys and roles; GET /models, POST /switch, /models/retrain and rollback."""

from __future__ import annotations

import pytest

from recommender.types import ModelStatus, Role
from tests.web_world import World, options
from web.answers import ModelAnswer, ModelsAnswer, RetrainRequested, SwitchAnswer

OLD, NEW, BAD = "20261121T000000Z", "20261121T030000Z", "20261121T060000Z"
ADMIN_CALLS = [
    ("GET", "/models"),
    ("GET", f"/models/{NEW}"),
    ("POST", f"/switch?model={OLD}"),
    ("POST", "/models/retrain"),
    ("POST", f"/models/{OLD}/rollback"),
]


def served(world: World) -> str | None:
    model = world.serving.current()
    return None if model is None else model.version_id


@pytest.fixture
def world() -> World:
    made = World()
    made.add_model(OLD, ModelStatus.PREVIOUS, name="popularity")
    made.add_model(NEW, ModelStatus.SERVING)
    made.add_model(BAD, ModelStatus.REFUSED)
    return made


@pytest.mark.parametrize(("method", "path"), ADMIN_CALLS)
def test_an_admin_call_without_a_key_is_401_and_audited(
    world: World, method: str, path: str
) -> None:
    answer = world.client.open(path, method=method)
    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
    (entry,) = world.audit_log.entries()
    assert entry.outcome.startswith("401") and entry.actor == "address:127.0.0.1"
    assert entry.target == path and answer.headers["X-Request-ID"] in entry.detail


@pytest.mark.parametrize(("method", "path"), ADMIN_CALLS)
def test_an_admin_call_with_a_client_key_is_403_and_audited(
    world: World, method: str, path: str
) -> None:
    answer = world.client.open(path, method=method, headers=world.key(Role.CLIENT))
    assert answer.status_code == 403
    (entry,) = world.audit_log.entries()
    assert entry.outcome.startswith("403") and entry.actor == "key:key-1"
    assert served(world) == NEW and not world.retrain.status().running


@pytest.mark.parametrize("headers", [
    {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}, {"X-API-Key": "wrong"},
    {"Authorization": "Bearer"}, {"X-API-Key": ""}, {"Authorization": "Bearer \xff\xfe"},
])
def test_a_key_that_is_not_known_is_401_also_where_no_key_is_needed(
    world: World, headers: dict[str, str]
) -> None:
    assert world.client.get("/models", headers=headers).status_code == 401
    assert world.client.get("/movies", headers=headers).status_code == 401


def test_a_revoked_key_is_401_at_once(world: World) -> None:
    headers = world.key(Role.ADMIN)
    assert world.client.get("/models", headers=headers).status_code == 200
    world.api_keys.revoke("key-1", world.clock())
    assert world.client.get("/models", headers=headers).status_code == 401


def test_the_key_may_come_as_x_api_key(world: World) -> None:
    _, secret = world.api_keys.create(Role.ADMIN, "ops", world.clock())
    assert world.client.get("/models", headers={"X-API-Key": secret}).status_code == 200


def test_client_calls_need_a_key_where_keys_are_required() -> None:
    world = World(options(client_keys_required=True))
    assert world.client.get("/movies").status_code == 401
    assert world.client.get("/movies", headers=world.key(Role.CLIENT)).status_code == 200
    assert world.client.get("/health").status_code == 200


def test_a_route_that_is_in_no_table_is_for_administrators(world: World) -> None:
    world.app.add_url_rule("/forgotten", "forgotten", lambda: "open")
    assert world.client.get("/forgotten").status_code == 401
    assert world.client.get("/forgotten", headers=world.key(Role.ADMIN)).status_code == 200


def test_models_are_listed_newest_first_with_the_serving_one_named(world: World) -> None:
    answer = ModelsAnswer.model_validate(
        world.client.get("/models", headers=world.key(Role.ADMIN)).json)
    assert [m.version_id for m in answer.models] == [BAD, NEW, OLD]
    assert answer.serving == NEW and not answer.retrain.running


@pytest.mark.parametrize(("call", "held", "follows"), [
    (None, False, None),
    ("/switch?model=automatic", False, None),
    ("/switch?model=popularity", False, "popularity"),
    (f"/switch?model={OLD}", True, None),
    ("/switch?model=1", True, None),
    (f"/models/{OLD}/rollback", True, None),
])
def test_the_list_of_models_tells_what_trainings_will_serve(
    call: str | None, held: bool, follows: str | None
) -> None:
    world = World(options())
    world.add_model(OLD, ModelStatus.PREVIOUS, name="popularity")
    world.add_model(NEW, ModelStatus.SERVING)
    headers = world.key(Role.ADMIN)
    if call is not None:
        assert world.client.post(call, headers=headers).status_code == 200
    told = ModelsAnswer.model_validate(world.client.get("/models", headers=headers).json).next
    assert (told.held, told.follows) == (held, follows)
    assert told.automatic is (not held and follows is None)


def test_a_model_is_shown_with_its_manifest(world: World) -> None:
    world.manifests[NEW] = {"metrics": {"ndcg@10": 0.0693}}
    headers = world.key(Role.ADMIN)
    shown = ModelAnswer.model_validate(world.client.get("/models/2", headers=headers).json)
    assert shown.model.version_id == NEW and shown.manifest == world.manifests[NEW]
    assert world.client.get(f"/models/{OLD}", headers=headers).json["manifest"] is None
    assert world.client.get("/models/99", headers=headers).status_code == 404


@pytest.mark.parametrize("reference", [OLD, "1", "popularity"])
def test_switch_takes_a_version_id_a_version_or_a_name(world: World, reference: str) -> None:
    answer = world.client.post(f"/switch?model={reference}", headers=world.key(Role.ADMIN))
    switched = SwitchAnswer.model_validate(answer.json)
    assert switched.status == "switched" and switched.model.version_id == OLD
    assert served(world) == OLD
    assert world.audit_log.entries()[0].actor == "key:key-1"


def test_switch_to_nothing_known_is_404_and_to_a_refused_model_409(world: World) -> None:
    headers = world.key(Role.ADMIN)
    assert world.client.post("/switch?model=nope", headers=headers).status_code == 404
    assert world.client.post(f"/switch?model={BAD}", headers=headers).status_code == 409
    missing = world.client.post("/switch", headers=headers)
    assert missing.status_code == 422 and missing.json["errors"][0]["field"] == "model"
    assert served(world) == NEW


def test_rollback_serves_the_earlier_model_and_is_audited(world: World) -> None:
    answer = world.client.post(f"/models/{OLD}/rollback", headers=world.key(Role.ADMIN))
    assert SwitchAnswer.model_validate(answer.json).status == "rolled_back"
    assert served(world) == OLD
    assert world.audit_log.entries()[0].action == "rollback"


def test_a_retrain_is_accepted_once_at_a_time(world: World) -> None:
    headers = world.key(Role.ADMIN)
    first = world.client.post("/models/retrain", headers=headers)
    assert first.status_code == 202
    assert RetrainRequested.model_validate(first.json).retrain.running
    assert world.client.post("/models/retrain", headers=headers).status_code == 409
    world.retrain.finish("published")
    assert world.client.post("/models/retrain", headers=headers).status_code == 202


def test_retrains_have_a_limit_of_their_own() -> None:
    world = World(options(retrain_limit="2 per minute"))
    headers = world.key(Role.ADMIN)
    answers = [world.client.post("/models/retrain", headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 409, 429]
    assert answers[2].mimetype == "application/problem+json"
    assert answers[2].headers["Retry-After"] == "60"
    assert world.client.get("/models", headers=headers).status_code == 200
