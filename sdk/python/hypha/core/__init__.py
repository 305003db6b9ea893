"""Users, what they may do, and workspaces."""

from __future__ import annotations

import enum
from pkgutil import extend_path

from .. import _installed
from ._model import REQUIRED, Model

__path__ = extend_path(__path__, __name__)

__all__ = ["ScopeInfo", "TokenConfig", "UserInfo", "UserPermission", "UserTokenInfo", "VisibilityEnum", "WorkspaceInfo"]


def __getattr__(name):
    return _installed.member(__name__, name, "it is not needed without the original server")


class UserPermission(str, enum.Enum):
    """What a user may do in a workspace; each level includes those before it."""

    read = "r"
    read_write = "rw"
    admin = "a"


_LEVELS = list(UserPermission)


class VisibilityEnum(str, enum.Enum):
    """Who may find and call a service."""

    public = "public"
    protected = "protected"
    unlisted = "unlisted"


class ScopeInfo(Model):
    """What a token allows."""

    FIELDS = {"current_workspace": None, "workspaces": {}, "client_id": None, "extra_scopes": None}
    CONVERT = {"workspaces": lambda grants: {name: UserPermission(level) for name, level in dict(grants).items()}}

    def get_specialized_scopes(self):
        """The extra scopes of the form `resource:action`, which make a token for that purpose only."""
        return [scope for scope in self.extra_scopes or [] if ":" in scope]

    def is_specialized(self):
        """Whether there are any."""
        return bool(self.get_specialized_scopes())

    def has_scope(self, scope):
        """Whether an extra scope is there."""
        return scope in (self.extra_scopes or [])

    def get_scope_with_prefix(self, prefix):
        """The first extra scope that begins so, or None."""
        return next((scope for scope in self.extra_scopes or [] if scope.startswith(prefix)), None)

    def has_scope_prefix(self, prefix):
        """Whether an extra scope begins so."""
        return self.get_scope_with_prefix(prefix) is not None


class UserInfo(Model):
    """Who is asking."""

    FIELDS = {
        "id": REQUIRED,
        "roles": [],
        "is_anonymous": False,
        "scope": None,
        "email": None,
        "parent": None,
        "expires_at": None,
        "current_workspace": None,
    }
    CONVERT = {"scope": ScopeInfo.model_validate, "roles": list}

    @classmethod
    def from_context(cls, context):
        """The user who makes a call, from the call's context."""
        user = cls.model_validate(dict(context["user"]))
        user.current_workspace = context.get("ws", user.current_workspace)
        return user

    def get_workspace(self):
        """The id of the user's own workspace."""
        return f"ws-user-{self.id}"

    def get_effective_user_id(self):
        """The user to whom the work is attributed: who made the token, if it was made for somebody else."""
        return self.parent or self.id

    def get_permission(self, workspace):
        """The level in a workspace, or None."""
        grants = (self.scope and self.scope.workspaces) or {}
        return grants.get(workspace, grants.get("*"))

    def check_permission(self, workspace, minimal_permission):
        """Whether the level in a workspace is at least this."""
        level = self.get_permission(workspace)
        return level is not None and _LEVELS.index(level) >= _LEVELS.index(UserPermission(minimal_permission))

    def is_specialized_token(self):
        """Whether the credential is for one purpose only."""
        return bool(self.scope and self.scope.is_specialized())

    def has_scope(self, scope):
        """Whether the credential has an extra scope."""
        return bool(self.scope and self.scope.has_scope(scope))

    def validate_for_general_access(self):
        """Raise PermissionError if the credential is for one purpose only."""
        if self.is_specialized_token():
            scopes = ", ".join(self.scope.get_specialized_scopes())
            raise PermissionError(
                f"Specialized token with scopes [{scopes}] cannot be used for general workspace access. "
                "This token can only be used for its intended purpose."
            )

    def validate_scope(self, scope):
        """Raise PermissionError if the credential is for one purpose only, and not for this one."""
        if self.is_specialized_token() and not self.has_scope(scope):
            scopes = ", ".join(self.scope.extra_scopes)
            raise PermissionError(
                f"Token with scopes [{scopes}] does not have required scope '{scope}' for this operation."
            )

    def get_metadata(self, key=None):
        """Something remembered with `set_metadata`, or all of it."""
        kept = self.__dict__.get("_metadata", {})
        return dict(kept) if key is None else kept.get(key)

    def set_metadata(self, key, value):
        """Remember something with this record; it does not travel."""
        self.__dict__.setdefault("_metadata", {})[key] = value


class UserTokenInfo(Model):
    """What a login results in."""

    FIELDS = {"token": REQUIRED} | dict.fromkeys(
        ["workspace", "expires_in", "email", "email_verified", "name", "nickname", "user_id", "picture"]
    )


class TokenConfig(Model):
    """What a token is asked for with."""

    FIELDS = {
        "expires_in": None,
        "workspace": None,
        "permission": "read_write",
        "extra_scopes": None,
        "client_id": None,
        "email": None,
    }


class WorkspaceInfo(Model):
    """A workspace."""

    FIELDS = {
        "id": None,
        "name": REQUIRED,
        "description": None,
        "persistent": False,
        "owners": [],
        "read_only": False,
        "config": {},
        "status": None,
    }

    def owned_by(self, user):
        """Whether the user owns the workspace, by id or by e-mail address."""
        return user.id in self.owners or bool(user.email and user.email in self.owners)
