-- Accounts with a password.

CREATE TABLE accounts (
    id             TEXT PRIMARY KEY, -- the user id
    email          TEXT NOT NULL UNIQUE, -- in lower case
    name           TEXT NOT NULL,
    password_hash  TEXT NOT NULL, -- a PHC text; with a salt, the original's SHA-256 in hexadecimal
    salt           TEXT,
    created_at     INTEGER NOT NULL,
    email_verified INTEGER NOT NULL,
    roles          TEXT NOT NULL -- a JSON list
) STRICT, WITHOUT ROWID;
