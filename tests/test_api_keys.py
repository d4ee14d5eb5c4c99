"""API keys are stored hashed, found by their secret, and end when they are revoked."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest

from adapters.api_keys import SqlApiKeys
from recommender.types import ApiKey, Role
from tests.databases_of_tests import new_database


@pytest.fixture
def keys(tmp_path: Path, kind: str) -> SqlApiKeys:
    return SqlApiKeys(new_database(tmp_path, "store", kind))


def test_a_secret_opens_its_key_and_no_other(keys: SqlApiKeys) -> None:
    admin, admin_secret = keys.create(Role.ADMIN, "ops", 5)
    client, client_secret = keys.create(Role.CLIENT, "shop", 6, user_id="u1")
    assert keys.verify(admin_secret) == admin == ApiKey(admin.key_id, Role.ADMIN, "ops", 5)
    assert keys.verify(client_secret) == client
    assert (client.role, client.user_id) == (Role.CLIENT, "u1")
    assert admin.key_id != client.key_id


@pytest.mark.parametrize("wrong", ["", "frk_", "frk_x", "x", "frk_" + "ü" * 43, "frk_\ud800"])
def test_any_other_text_opens_nothing(keys: SqlApiKeys, wrong: str) -> None:
    _, secret = keys.create(Role.CLIENT, "shop", 1)
    assert keys.verify(wrong) is None
    assert keys.verify(secret[:-1]) is None
    assert keys.verify(secret + "a") is None
    assert keys.verify(secret.swapcase()) is None


def test_a_secret_is_long_random_and_url_safe(keys: SqlApiKeys) -> None:
    secrets = {keys.create(Role.CLIENT, "k", 1)[1] for _ in range(20)}
    assert len(secrets) == 20
    for secret in secrets:
        assert secret.startswith("frk_")
        assert len(secret) == 47
        assert all(c.isalnum() or c in "_-" for c in secret)


def test_the_store_never_holds_the_secret(tmp_path: Path) -> None:
    keys = SqlApiKeys(new_database(tmp_path, "store"))
    _, secret = keys.create(Role.ADMIN, "ops", 1)
    assert keys.verify(secret) is not None
    held = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert secret.encode() not in held
    assert secret.removeprefix("frk_").encode() not in held
    with sqlite3.connect(tmp_path / "store.db") as connection:
        stored = connection.execute("SELECT secret_sha256 FROM api_keys").fetchone()[0]
    connection.close()
    assert stored == hashlib.sha256(secret.encode()).hexdigest()


def test_a_revoked_key_opens_nothing_from_then_on(keys: SqlApiKeys) -> None:
    key, secret = keys.create(Role.CLIENT, "shop", 1)
    assert keys.verify(secret) == key
    assert keys.revoke(key.key_id, 9)
    assert keys.verify(secret) is None
    assert [k.revoked_at_ms for k in keys.keys()] == [9]
    assert not keys.revoke(key.key_id, 10)
    assert not keys.revoke("unknown", 10)
    assert keys.keys()[0].revoked_at_ms == 9


def test_a_revocation_by_another_process_counts_within_a_second(tmp_path: Path, kind: str) -> None:
    now = [100.0]
    server = SqlApiKeys(new_database(tmp_path, "store", kind), clock_s=lambda: now[0])
    command_line = SqlApiKeys(new_database(tmp_path, "store", kind))
    key, secret = command_line.create(Role.CLIENT, "shop", 1)
    assert server.verify(secret) == key
    command_line.revoke(key.key_id, 2)
    now[0] += 1.0
    assert server.verify(secret) is None


def test_all_keys_are_listed_oldest_first(keys: SqlApiKeys) -> None:
    made = [keys.create(Role.CLIENT, name, at)[0] for name, at in (("b", 2), ("a", 1), ("c", 3))]
    assert keys.keys() == sorted(made, key=lambda key: key.created_at_ms)


def test_the_end_of_sessions_is_kept_and_never_moved_back(keys: SqlApiKeys) -> None:
    key, secret = keys.create(Role.ADMIN, "root", 1)
    other, _ = keys.create(Role.ADMIN, "other", 1)
    keys.end_sessions(key.key_id, 50)
    keys.end_sessions(key.key_id, 40)
    found = {k.key_id: k.sessions_ended_ms for k in keys.keys()}
    assert found == {key.key_id: 50, other.key_id: None}
    verified = keys.verify(secret)
    assert verified is not None and verified.key_id == key.key_id
