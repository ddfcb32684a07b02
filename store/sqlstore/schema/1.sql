-- The highest revision of any record, and the order of changes.
CREATE SEQUENCE SCHEMA.revision AS bigint;

CREATE TABLE SCHEMA.records (
	kind     text COLLATE "C" NOT NULL,
	id       text COLLATE "C" NOT NULL,
	revision bigint NOT NULL,
	nonce    integer NOT NULL,
	value    bytea NOT NULL,
	PRIMARY KEY (kind, id)
);

-- The log that watches read. A change without a nonce is a deletion.
CREATE TABLE SCHEMA.changes (
	seq   bigint PRIMARY KEY,
	xid   xid8 NOT NULL DEFAULT pg_current_xact_id(),
	kind  text COLLATE "C" NOT NULL,
	id    text COLLATE "C" NOT NULL,
	nonce integer,
	at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX changes_xid ON SCHEMA.changes (xid, seq);

-- floor is the greatest xid of a change that was trimmed from the log.
CREATE TABLE SCHEMA.meta (
	one     boolean PRIMARY KEY DEFAULT true CHECK (one),
	version integer NOT NULL,
	floor   xid8 NOT NULL
);

INSERT INTO SCHEMA.meta (version, floor) VALUES (1, '0');
