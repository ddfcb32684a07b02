package sqlstore

// The statements have SCHEMA in place of the name of the schema. All their parameters have casts, because drivers do
// not send types in every mode.

const selectServer = `
SELECT current_setting('server_version_num')::int, current_setting('server_encoding'),
	current_setting('default_transaction_isolation'), pg_is_in_recovery()`

const selectPing = `
SELECT version, pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' FROM SCHEMA.meta`

const selectRecord = `
SELECT revision, nonce, value FROM SCHEMA.records WHERE kind = $1::text AND id = $2::text`

// A write is one statement, which changes a record and appends to the log of changes: it needs one round trip, and a
// process that is suspended cannot leave a transaction open. It returns no row if its condition does not hold.
const (
	putAlways = `
WITH new AS (
	INSERT INTO SCHEMA.records AS r (kind, id, revision, nonce, value)
	VALUES ($1::text, $2::text, nextval('SCHEMA.revision'), $3::int, $4::bytea)
	ON CONFLICT (kind, id) DO UPDATE SET revision = excluded.revision, nonce = excluded.nonce, value = excluded.value
	RETURNING revision` + logPut
	putIfAbsent = `
WITH new AS (
	INSERT INTO SCHEMA.records (kind, id, revision, nonce, value)
	VALUES ($1::text, $2::text, nextval('SCHEMA.revision'), $3::int, $4::bytea)
	ON CONFLICT (kind, id) DO NOTHING
	RETURNING revision` + logPut
	putIfRevision = `
WITH new AS (
	UPDATE SCHEMA.records SET revision = nextval('SCHEMA.revision'), nonce = $3::int, value = $4::bytea
	WHERE kind = $1::text AND id = $2::text AND revision = $5::bigint AND nonce = $6::int
	RETURNING revision` + logPut
	logPut = `
), log AS (
	INSERT INTO SCHEMA.changes (seq, kind, id, nonce) SELECT revision, $1::text, $2::text, $3::int FROM new
)
SELECT revision FROM new`

	deleteAlways = `
WITH gone AS (
	DELETE FROM SCHEMA.records WHERE kind = $1::text AND id = $2::text
	RETURNING 1` + logDelete
	deleteIfRevision = `
WITH gone AS (
	DELETE FROM SCHEMA.records WHERE kind = $1::text AND id = $2::text AND revision = $3::bigint AND nonce = $4::int
	RETURNING 1` + logDelete
	logDelete = `
), log AS (
	INSERT INTO SCHEMA.changes (seq, kind, id) SELECT nextval('SCHEMA.revision'), $1::text, $2::text FROM gone
)
SELECT 1 FROM gone`
)

// selectPage reads the records after an id: at most $3 of them, and no more once they have $4 bytes.
const selectPage = `
SELECT id, revision, nonce, value FROM (
	SELECT *, sum(octet_length(value)) OVER (ORDER BY id) - octet_length(value) AS preceding FROM (
		SELECT id, revision, nonce, value FROM SCHEMA.records
		WHERE kind = $1::text AND id > $2::text ORDER BY id LIMIT $3::int
	) AS page
) AS measured
WHERE preceding < $4::bigint ORDER BY id`

const selectRevisions = `
SELECT id, revision, nonce FROM SCHEMA.records WHERE kind = $1::text AND id > $2::text ORDER BY id LIMIT $3::int`

// selectChanges reads the changes that were not visible in the snapshot $1 and are now, at most $2 or a few more: those
// of transactions that began after it, and those of transactions that it saw in progress. The numbers of a sequence
// would not do as a position, because transactions do not commit in the order of their numbers. Without a snapshot it
// reads none. Transactions from the future come from the backup of another server.
//
// "LIMIT 1" and the array tell the planner that there are few rows. It would otherwise compile the query, which takes
// longer than all the rest.
const selectChanges = `
WITH since AS MATERIALIZED (
	SELECT coalesce(nullif($1::text, ''), pg_current_snapshot()::text)::pg_snapshot AS snapshot
), fresh AS (
	(
		SELECT seq, kind, id, nonce FROM SCHEMA.changes
		WHERE xid >= (SELECT pg_snapshot_xmax(snapshot) FROM since) AND xid < pg_snapshot_xmax(pg_current_snapshot())
		ORDER BY xid, seq LIMIT $2::int
	) UNION ALL (
		SELECT seq, kind, id, nonce FROM SCHEMA.changes
		WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip(snapshot) FROM since))
		ORDER BY xid, seq LIMIT $2::int
	)
)
SELECT
	meta.version, pg_is_in_recovery(), extract(epoch FROM pg_postmaster_start_time())::text,
	pg_current_snapshot()::text,
	meta.floor >= pg_snapshot_xmin(since.snapshot)
		OR pg_snapshot_xmin(pg_current_snapshot()) < pg_snapshot_xmin(since.snapshot),
	fresh.seq, fresh.kind, fresh.id, fresh.nonce
FROM (SELECT version, floor FROM SCHEMA.meta LIMIT 1) AS meta CROSS JOIN since LEFT JOIN fresh ON true
ORDER BY fresh.seq`

// tryTrimLock is held by the process that trims the log, until the end of its transaction.
const tryTrimLock = `SELECT pg_try_advisory_xact_lock($1::int, $2::int)`

// trimChanges deletes up to $1 changes that are older than $2 seconds and that every later snapshot sees, and raises
// the floor. Changes and a floor from the future come from the backup of another server, and are removed too.
const trimChanges = `
WITH future AS (
	DELETE FROM SCHEMA.changes WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())
), gone AS (
	DELETE FROM SCHEMA.changes WHERE seq IN (
		SELECT seq FROM SCHEMA.changes
		WHERE xid < pg_snapshot_xmin(pg_current_snapshot()) AND at < clock_timestamp() - make_interval(secs => $2::int)
		ORDER BY xid, seq LIMIT $1::int
	) RETURNING xid
), last AS (
	SELECT xid FROM gone UNION ALL
	SELECT floor FROM SCHEMA.meta WHERE floor < pg_snapshot_xmax(pg_current_snapshot())
	ORDER BY xid DESC LIMIT 1
)
UPDATE SCHEMA.meta SET floor = coalesce((SELECT xid FROM last), '0')
WHERE floor IS DISTINCT FROM coalesce((SELECT xid FROM last), '0')`

const sendNotification = `SELECT pg_notify($1::text, '')`

// The statements of a migration. The catalog is queried as tables, because to_regclass may answer from a cache that is
// older than the lock.
const (
	selectHasMeta = `
SELECT EXISTS (
	SELECT FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace WHERE nspname = $1::text AND relname = 'meta'
)`
	selectVersion   = `SELECT version FROM SCHEMA.meta`
	selectHasSchema = `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1::text)`
	lockMigration   = `SELECT pg_advisory_xact_lock($1::int, $2::int)`
)
