-- Version 3: signing keys, service tokens, revocations, and which access token each refresh token came with.
CREATE TABLE signing_key (
    id      TEXT PRIMARY KEY,
    pem     TEXT NOT NULL,
    signs   INTEGER NOT NULL,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE service_token (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL,
    role    TEXT NOT NULL,
    topics  TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE revocation (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    token   TEXT NOT NULL,
    subject TEXT NOT NULL,
    time    INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
CREATE INDEX revocation_by_age ON revocation (expires);

ALTER TABLE refresh_token ADD COLUMN access_token TEXT NOT NULL DEFAULT '';
ALTER TABLE refresh_token ADD COLUMN access_expires INTEGER NOT NULL DEFAULT 0;
CREATE INDEX refresh_token_by_access ON refresh_token (access_token);
