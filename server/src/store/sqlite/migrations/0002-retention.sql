-- Version 2: what a topic's events weigh, so that retention can hold them to a size; names that were used before, so
-- that a topic of an old name does not continue the old one's history; internal topics for logs and for access.
ALTER TABLE topic ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE topic SET bytes = coalesce((
    SELECT sum(octet_length(kind) + octet_length(publisher) + octet_length(traceparent) + octet_length(body) + 64)
    FROM event WHERE event.topic = topic.id
), 0);
CREATE INDEX topic_by_name ON topic (internal, name);

-- Grows whenever somebody may read other topics than before.
ALTER TABLE log ADD COLUMN rules INTEGER NOT NULL DEFAULT 0;

CREATE TABLE former_topic (
    name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

INSERT INTO topic (id, name, internal, description, publish, subscribe, owner, max_age, max_bytes,
                   created, updated, version)
SELECT -1, 'internal:logs', 1, 'debug logs of browsers', '', '', '', 604800, 67108864, created, created, 1
FROM topic WHERE id = 1;
INSERT INTO topic (id, name, internal, description, publish, subscribe, owner, max_age, max_bytes,
                   created, updated, version)
SELECT -2, 'internal:access', 1, 'changes of who may do what', '', '', '', 604800, 67108864, created, created, 1
FROM topic WHERE id = 1;
