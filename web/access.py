"""API keys: who may call what, and for whom. Refusals of administration are audited."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import structlog

from recommender.ports import ApiKeys, AuditLog
from recommender.types import ApiKey, AuditEntry, Role
from web.errors import FieldError, ProblemError
from web.operations import RouteTable, Who
from web.pages.forms import ForgedForm, check_token
from web.request_context import ApiRequest, this_request

_log = structlog.get_logger("web")
_TARGET_MAX = 256


class Access:
    """Checks the key of each request: `Authorization: Bearer <secret>` or `X-API-Key`."""

    def __init__(
        self,
        table: RouteTable,
        keys: ApiKeys,
        audit_log: AuditLog,
        keys_required: bool,
        now_ms: Callable[[], int],
        session_key: Callable[[], ApiKey | None],
    ) -> None:
        self._who = table.who
        self._pages = table.pages
        self._session_key = session_key
        self._keys = keys
        self._audit_log = audit_log
        self._keys_required = keys_required
        self._now_ms = now_ms

    def check(self, request: ApiRequest) -> None:
        """Let the request pass or end it; a route that is in no table is for administrators.

        Raises:
            ProblemError: 401 without a live key, 403 with one that may not do this.
            StoreUnavailable: the keys cannot be reached.
        """
        endpoint = request.endpoint
        if endpoint is None:  # no such route, or not by this method
            return
        who = self._who.get(endpoint, Who.ADMIN)
        if request.method == "OPTIONS":
            return
        if endpoint in self._pages:
            self._check_page(request, who)
            return
        if who is Who.OPEN:
            return
        environ = request.environ
        if "HTTP_AUTHORIZATION" in environ or "HTTP_X_API_KEY" in environ:
            self._check_key(request, who)
        elif who is Who.ADMIN or self._keys_required:
            raise self._unauthorized(request, who, "this call needs an API key")

    def require_user(self, user_id: str) -> None:
        """Refuse a client key that is bound to another user.

        Raises:
            ProblemError: 403, audited.
        """
        if not self.may_act_for(user_id):
            raise self.refuse_user(user_id)

    def may_act_for(self, user_id: str) -> bool:
        """Whether the key of this request, if any, may act for this user."""
        key = this_request().key
        return key is None or key.role is Role.ADMIN or key.user_id in (None, user_id)

    def refuse_user(self, user_id: str) -> ProblemError:
        """Audit an attempt for another user; the answer to it."""
        return self.refuse("403 bound to another user", "user_id",
                           "the key is bound to another user", f"user_id {user_id}")

    def refuse(self, outcome: str, field: str, reason: str, detail: str = "") -> ProblemError:
        """Audit what the key of this request may not ask for by `field`; the answer to it."""
        self._audit(this_request(), outcome, detail)
        return ProblemError(403, reason, [FieldError(field=field, reason=reason)])

    def actor(self) -> str:
        """Who acts, for the audit log: the key's id, or the address without one."""
        return _actor(this_request())

    def _check_page(self, request: ApiRequest, who: Who) -> None:
        if who is Who.ADMIN:
            request.key = self._session_key()
            if request.key is None:
                raise self._unauthorized(request, who, "log in to see this page")
        if request.method == "POST":
            try:
                check_token(request)
            except ForgedForm:
                self._audit(request, "400 forged form")
                raise

    def _check_key(self, request: ApiRequest, who: Who) -> None:
        secret = _secret(request)
        key = self._keys.verify(secret) if secret else None
        if key is None:
            raise self._unauthorized(request, who, "the API key is not known or was revoked")
        request.key = key
        if who is Who.ADMIN and key.role is not Role.ADMIN:
            self._audit(request, "403 not an administrator")
            raise ProblemError(403, "this call needs an administrator's key")

    def _unauthorized(self, request: ApiRequest, who: Who, detail: str) -> ProblemError:
        # A page that is only looked at leads to the login: nothing was tried that needs an entry.
        if who is Who.ADMIN and (request.endpoint not in self._pages or request.method == "POST"):
            self._audit(request, "401 no live key")
        return ProblemError(401, detail, headers={"WWW-Authenticate": "Bearer"})

    def _audit(self, request: ApiRequest, outcome: str, detail: str = "") -> None:
        entry = AuditEntry(
            at_ms=self._now_ms(),
            actor=_actor(request),
            action=f"{request.method} {request.url_rule}"[:64],
            target=request.full_path.rstrip("?")[:_TARGET_MAX],
            outcome=outcome,
            detail=f"request {request.request_id} {detail}".strip(),
        )
        try:
            self._audit_log.append(entry)
        except Exception:  # noqa: BLE001 (the refusal holds without its entry; the log keeps it)
            _log.exception("audit_failed", **asdict(entry))


def _actor(request: ApiRequest) -> str:
    if request.key is not None:
        return f"key:{request.key.key_id}"
    return f"address:{request.remote_addr or 'unknown'}"[:128]


def _secret(request: ApiRequest) -> str | None:
    plain: str | None = request.environ.get("HTTP_X_API_KEY")
    if plain:
        return plain
    scheme, _, credentials = request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else None
