-- The first schema. A file in this folder never changes once it was released: the next change is the next file.
-- Times are microseconds since the Unix epoch where the name ends in `_us`, else seconds.

-- Bytes that never change. Objects point to them; without any, they are waste.
CREATE TABLE contents (
    id   INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: readers hold on to it
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    refs INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX contents_waste ON contents (id) WHERE refs = 0;

-- The files that a content is made of, in order.
CREATE TABLE segments (
    content  INTEGER NOT NULL REFERENCES contents (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    blob     TEXT NOT NULL UNIQUE,
    size     INTEGER NOT NULL,
    PRIMARY KEY (content, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE objects (
    key          TEXT PRIMARY KEY,
    content      INTEGER NOT NULL REFERENCES contents (id),
    content_type TEXT,
    modified_us  INTEGER NOT NULL,
    size         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX objects_content ON objects (content);

-- Files that nothing points to any more, until they are deleted.
CREATE TABLE waste (blob TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

-- Bytes per workspace, which is the first segment of a key.
CREATE TABLE usage (
    space TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER objects_added AFTER INSERT ON objects BEGIN
    UPDATE contents SET refs = refs + 1 WHERE id = new.content;
    INSERT INTO usage (space, bytes) VALUES (substr(new.key, 1, instr(new.key || '/', '/') - 1), new.size)
        ON CONFLICT (space) DO UPDATE SET bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER objects_changed AFTER UPDATE OF content ON objects BEGIN
    UPDATE contents SET refs = refs + 1 WHERE id = new.content;
    UPDATE contents SET refs = refs - 1 WHERE id = old.content;
    UPDATE usage SET bytes = bytes + new.size - old.size
        WHERE space = substr(new.key, 1, instr(new.key || '/', '/') - 1);
END;
CREATE TRIGGER objects_removed AFTER DELETE ON objects BEGIN
    UPDATE contents SET refs = refs - 1 WHERE id = old.content;
    UPDATE usage SET bytes = bytes - old.size
        WHERE space = substr(old.key, 1, instr(old.key || '/', '/') - 1);
END;

-- Multipart uploads under way.
CREATE TABLE uploads (
    id           TEXT PRIMARY KEY,
    key          TEXT NOT NULL,
    owner        TEXT NOT NULL,
    content_type TEXT,
    part_count   INTEGER NOT NULL,
    expires      INTEGER NOT NULL,
    ttl          INTEGER, -- seconds that the object lives after completion
    remote       TEXT -- the id that an object store gave it
) STRICT, WITHOUT ROWID;
CREATE INDEX uploads_expires ON uploads (expires);

CREATE TABLE parts (
    upload TEXT NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    blob   TEXT NOT NULL, -- the file; or with an object store the ETag it gave
    size   INTEGER NOT NULL,
    etag   TEXT NOT NULL,
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX parts_blob ON parts (blob);

-- When objects are to be deleted.
CREATE TABLE expiries (
    key TEXT PRIMARY KEY,
    at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX expiries_at ON expiries (at);
