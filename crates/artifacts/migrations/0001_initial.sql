-- Artifacts, their versions and files. One text for SQLite and PostgreSQL: BYTEWISE becomes the collation that
-- orders text by its bytes. JSON is text; times are seconds since the Unix epoch.

CREATE TABLE artifacts (
    id             TEXT BYTEWISE PRIMARY KEY,      -- UUIDv7: rises with time of creation
    workspace      TEXT NOT NULL,
    alias          TEXT NOT NULL,
    parent         TEXT BYTEWISE REFERENCES artifacts (id) ON DELETE SET NULL,
    kind           TEXT,
    manifest       TEXT NOT NULL,                  -- manifest and config of the latest committed version
    config         TEXT NOT NULL,
    secrets        TEXT,                           -- encrypted
    created_by     TEXT NOT NULL,
    created_at     BIGINT NOT NULL,
    last_modified  BIGINT NOT NULL,
    view_count     DOUBLE PRECISION NOT NULL,
    download_count DOUBLE PRECISION NOT NULL,
    file_count     BIGINT NOT NULL,
    version_count  BIGINT NOT NULL,
    UNIQUE (workspace, alias)
);
CREATE INDEX artifacts_in_workspace ON artifacts (workspace, parent, id);
CREATE INDEX artifacts_of_parent ON artifacts (parent, id);

-- A version keeps its id for life; its place in the order is a number that is never used again.
CREATE TABLE versions (
    id         TEXT BYTEWISE PRIMARY KEY,
    artifact   TEXT BYTEWISE NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    position   BIGINT NOT NULL,
    name       TEXT NOT NULL,
    comment    TEXT,
    created_at BIGINT NOT NULL,
    manifest   TEXT NOT NULL,
    config     TEXT NOT NULL,
    UNIQUE (artifact, name),
    UNIQUE (artifact, position)
);

-- Stored bytes that a version or a staged change refers to. Never changed while a version refers to them.
CREATE TABLE objects (
    object_key   TEXT BYTEWISE PRIMARY KEY,
    size         BIGINT NOT NULL,
    etag         TEXT NOT NULL,
    content_type TEXT,
    modified     DOUBLE PRECISION NOT NULL
);

CREATE TABLE files (
    version    TEXT BYTEWISE NOT NULL REFERENCES versions (id) ON DELETE CASCADE,
    folder     TEXT BYTEWISE NOT NULL,             -- with a slash at its end; empty at the top
    name       TEXT BYTEWISE NOT NULL,
    object_key TEXT BYTEWISE NOT NULL REFERENCES objects (object_key),
    PRIMARY KEY (version, folder, name)
);
CREATE INDEX files_of_object ON files (object_key);

-- What a commit will make true. A row while the artifact is staged.
CREATE TABLE staging (
    artifact   TEXT BYTEWISE PRIMARY KEY REFERENCES artifacts (id) ON DELETE CASCADE,
    intent     TEXT NOT NULL,                      -- new_version or edit_version
    inherits   BIGINT NOT NULL,                    -- 1: a new version starts with the files of the one before it
    kind       TEXT,
    manifest   TEXT NOT NULL,
    config     TEXT NOT NULL,
    secrets    TEXT                                -- encrypted
);

CREATE TABLE staged_files (
    artifact   TEXT BYTEWISE NOT NULL REFERENCES staging (artifact) ON DELETE CASCADE,
    folder     TEXT BYTEWISE NOT NULL,
    name       TEXT BYTEWISE NOT NULL,
    position   BIGINT NOT NULL,                    -- order of staging
    object_key TEXT BYTEWISE,                      -- where the upload goes; null: the file is to be removed
    weight     DOUBLE PRECISION,                   -- what a download counts, where that was said
    PRIMARY KEY (artifact, folder, name)
);
CREATE INDEX staged_files_of_object ON staged_files (object_key);

-- Multipart uploads that were started through the artifact manager.
CREATE TABLE uploads (
    id         TEXT BYTEWISE PRIMARY KEY,
    artifact   TEXT BYTEWISE NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    folder     TEXT BYTEWISE NOT NULL,
    name       TEXT BYTEWISE NOT NULL,
    object_key TEXT BYTEWISE NOT NULL,
    started_by TEXT NOT NULL,
    parts      BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX uploads_of_object ON uploads (object_key);

-- Objects that nothing refers to any more, until they are gone from the store.
CREATE TABLE garbage (
    object_key TEXT BYTEWISE PRIMARY KEY
);

CREATE TABLE artifact_settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
