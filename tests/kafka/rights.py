"""Rights of a user on a broker of the tests, given by its operator."""

from __future__ import annotations

from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
)

from tests.kafka.cluster import Namespace


def allow(space: Namespace, user: str, kind: ResourceType, name: str, *rights: str,
          forbid: bool = False) -> None:
    """Give a user rights on one thing, or on all whose names begin with it (ending in *)."""
    pattern = ACLResourcePatternType.PREFIXED if name.endswith("*") else (
        ACLResourcePatternType.LITERAL)
    resource = ResourcePattern(kind, name.rstrip("*"), pattern)
    permission = ACLPermissionType.DENY if forbid else ACLPermissionType.ALLOW
    admin = space.access().open_admin()
    done = admin.create_acls([
        ACL(f"User:{user}", "*", ACLOperation[right], permission, resource) for right in rights])
    assert not done["failed"], done
    admin.close()


def allow_all(space: Namespace, user: str) -> None:
    allow(space, user, ResourceType.TOPIC, f"{space.prefix}*", "READ", "WRITE")
    allow(space, user, ResourceType.GROUP, f"{space.prefix}*", "READ")
