-- The first schema. A file in this folder never changes once it was released: the next change is the next file.
-- Times are integers: seconds since the Unix epoch, or microseconds where the name ends in `_us`.

CREATE TABLE workspaces (
    id   TEXT PRIMARY KEY,
    info TEXT NOT NULL -- the WorkspaceInfo as JSON
) STRICT, WITHOUT ROWID;

-- Who owns what, for look-ups by owner and quotas. `position` keeps the order of the list.
CREATE TABLE workspace_owners (
    workspace TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    position  INTEGER NOT NULL,
    owner     TEXT NOT NULL,
    PRIMARY KEY (workspace, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX workspace_owners_by_owner ON workspace_owners (owner, workspace);

CREATE TABLE events (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    event_type   TEXT NOT NULL,
    workspace    TEXT NOT NULL,
    user_id      TEXT NOT NULL,
    timestamp_us INTEGER NOT NULL,
    data         TEXT NOT NULL -- JSON
) STRICT;
CREATE INDEX events_by_user ON events (workspace, user_id, event_type);

CREATE TABLE revoked_tokens (
    token      BLOB PRIMARY KEY, -- SHA-256 of the token
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE blocks (
    kind       TEXT NOT NULL,
    key        TEXT NOT NULL,
    reason     TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
