-- Version 1: users and their sessions, topics, one log of events.
CREATE TABLE origin (
    dev INTEGER NOT NULL
) STRICT;

CREATE TABLE log (
    epoch INTEGER NOT NULL,
    last  INTEGER NOT NULL
) STRICT;

CREATE TABLE topic (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL UNIQUE,
    internal    INTEGER NOT NULL,
    description TEXT NOT NULL,
    publish     TEXT NOT NULL,
    subscribe   TEXT NOT NULL,
    owner       TEXT NOT NULL,
    max_age     INTEGER NOT NULL,
    max_bytes   INTEGER NOT NULL,
    created     INTEGER NOT NULL,
    updated     INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    last        INTEGER NOT NULL DEFAULT 0,
    trimmed     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE event (
    seq         INTEGER PRIMARY KEY,
    topic       INTEGER NOT NULL,
    previous    INTEGER NOT NULL,
    id          BLOB NOT NULL,
    kind        TEXT NOT NULL,
    time        INTEGER NOT NULL,
    publisher   TEXT NOT NULL,
    traceparent TEXT NOT NULL,
    body        BLOB NOT NULL
) STRICT;
CREATE INDEX event_by_topic ON event (topic, seq);

CREATE TABLE idempotency (
    subject TEXT NOT NULL,
    topic   INTEGER NOT NULL,
    key     TEXT NOT NULL,
    digest  BLOB NOT NULL,
    seq     INTEGER NOT NULL,
    id      BLOB NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (subject, topic, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (expires);

CREATE TABLE user (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL UNIQUE,
    name     TEXT NOT NULL,
    tags     TEXT NOT NULL,
    email    TEXT NOT NULL,
    role     TEXT NOT NULL,
    password TEXT NOT NULL,
    created  INTEGER NOT NULL,
    updated  INTEGER NOT NULL,
    version  INTEGER NOT NULL
) STRICT;

CREATE TABLE session (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    user  INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
    ended INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX session_by_user ON session (user);

CREATE TABLE refresh_token (
    hash    BLOB PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
    used    INTEGER NOT NULL DEFAULT 0,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_token_by_session ON refresh_token (session);
CREATE INDEX refresh_token_by_age ON refresh_token (expires);
