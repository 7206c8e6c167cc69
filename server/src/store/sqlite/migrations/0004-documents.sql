-- Version 4: documents. Each has a topic of its own; a deleted one keeps its row for some time, so that its versions go
-- on. `absent` is the last version in which there was none.
CREATE TABLE document (
    number  INTEGER PRIMARY KEY,
    id      TEXT NOT NULL UNIQUE,
    topic   INTEGER NOT NULL,
    version INTEGER NOT NULL,
    content BLOB,
    absent  INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) STRICT;

CREATE INDEX document_by_deletion ON document (updated) WHERE content IS NULL;

-- The last version of any document whose row is gone: a new document, which may be one of them again, begins after it.
CREATE TABLE former_document (
    version INTEGER NOT NULL
) STRICT;
INSERT INTO former_document (version) VALUES (0);

-- The version that last changed each path; a path above stands for all below it that it has changed.
CREATE TABLE document_path (
    document INTEGER NOT NULL REFERENCES document (number),
    path     TEXT NOT NULL,
    version  INTEGER NOT NULL,
    PRIMARY KEY (document, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX document_path_by_version ON document_path (document, version);

-- How many paths are remembered, and the version up to which changes may have been forgotten. Apart from the document,
-- whose row is long.
CREATE TABLE document_history (
    document  INTEGER PRIMARY KEY REFERENCES document (number),
    paths     INTEGER NOT NULL,
    forgotten INTEGER NOT NULL
) STRICT;

-- Operations that may be sent again: `base` is the version they were made on, `version` the one they made.
CREATE TABLE document_op (
    document INTEGER NOT NULL REFERENCES document (number),
    op       TEXT NOT NULL,
    digest   BLOB NOT NULL,
    base     INTEGER NOT NULL,
    version  INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    expires  INTEGER NOT NULL,
    PRIMARY KEY (document, op)
) STRICT, WITHOUT ROWID;
CREATE INDEX document_op_by_age ON document_op (expires);
