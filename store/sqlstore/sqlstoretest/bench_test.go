package sqlstoretest_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/sqlstore"
	"github.com/patchsource/patchsource/store/sqlstore/sqlstoretest"
)

// benchValue has the size of a title of medium size.
var benchValue = bytes.Repeat([]byte(`{"a":1}`), 1200)

// A putter writes a record.
type putter func(ctx context.Context, id string) error

// rawPutter writes with one upsert and no log, through pgx without package database/sql.
func rawPutter(b *testing.B, srv *sqlstoretest.Server) putter {
	pool, err := pgxpool.New(b.Context(), srv.DSN()+" pool_max_conns=20")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	table := newSchema()
	_, err = pool.Exec(b.Context(), `CREATE TABLE `+table+` (id text PRIMARY KEY, revision bigserial, value bytea)`)
	if err != nil {
		b.Fatal(err)
	}
	statement := `INSERT INTO ` + table + ` (id, value) VALUES ($1, $2)
		ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, value = excluded.value RETURNING revision`
	return func(ctx context.Context, id string) error {
		var revision int64
		return pool.QueryRow(ctx, statement, id, benchValue).Scan(&revision)
	}
}

// storePutter writes to a store.
func storePutter(b *testing.B, srv *sqlstoretest.Server, listen bool) putter {
	db := openDB(b, srv.DSN())
	db.SetMaxIdleConns(20)
	opts := &sqlstore.Options{Schema: newSchema()}
	if listen {
		opts = listening(db, opts.Schema)
	}
	s := open(b, db, opts)
	drain(b, s)
	return func(ctx context.Context, id string) error {
		_, err := s.Put(ctx, thing(id), benchValue, store.Condition{})
		return err
	}
}

// drain watches a store until the benchmark ends, as a server does.
func drain(b *testing.B, s *sqlstore.Store) {
	ctx, cancel := context.WithCancel(b.Context())
	var work sync.WaitGroup
	work.Go(func() {
		for range s.Watch(ctx, "things") {
			continue
		}
	})
	b.Cleanup(func() { cancel(); work.Wait() })
}

// BenchmarkPut compares the rate of writes with that of pgx alone, in turns, so that other work of the machine disturbs
// all alike. It reports medians. The first writes to a new server would be slower, because it fills each new file of
// its log with zeros.
func BenchmarkPut(b *testing.B) {
	srv := sqlstoretest.Require(b, "wal_init_zero=off")
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			names := []string{"pgx", "polling", "listening"}
			putters := []putter{rawPutter(b, srv), storePutter(b, srv, false), storePutter(b, srv, true)}
			for _, put := range putters {
				putRate(b, put, writers) // opens connections and makes plans
			}
			rates := make([][]float64, len(putters))
			for range b.N {
				for i, put := range putters {
					rates[i] = append(rates[i], putRate(b, put, writers))
				}
			}
			for i, name := range names {
				slices.Sort(rates[i])
				b.ReportMetric(rates[i][len(rates[i])/2], name+"-puts/s")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// putRate has a number of writers write records and returns the rate in records a second.
func putRate(b *testing.B, put putter, writers int) float64 {
	const each = 25
	began := time.Now()
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range each {
				if err := put(b.Context(), fmt.Sprintf("%d-%d", w, n)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return float64(each*writers) / time.Since(began).Seconds()
}

// BenchmarkWatch measures the time from the end of a Put to the change at another server.
func BenchmarkWatch(b *testing.B) {
	srv := sqlstoretest.Require(b)
	for _, listen := range []bool{false, true} {
		b.Run(fmt.Sprintf("listen=%v", listen), func(b *testing.B) {
			writer, reader := storePair(b, srv, listen)
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			seen := make(chan store.Change, 1000)
			go func() {
				for c, err := range reader.Watch(ctx, "things") {
					if err != nil {
						b.Error(err)
					}
					seen <- c
				}
			}()
			<-seen
			var latencies []time.Duration
			for n := range b.N {
				// When the log is read next must not depend on the change before.
				time.Sleep(rand.N(500 * time.Millisecond))
				if _, err := writer.Put(ctx, thing(fmt.Sprint(n)), benchValue, store.Condition{}); err != nil {
					b.Fatal(err)
				}
				began := time.Now()
				<-seen
				latencies = append(latencies, time.Since(began))
			}
			slices.Sort(latencies)
			b.ReportMetric(float64(latencies[len(latencies)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(latencies[len(latencies)-1].Microseconds())/1000, "max-ms")
		})
	}
}

// storePair returns two stores over one schema, with pools of their own.
func storePair(b *testing.B, srv *sqlstoretest.Server, listen bool) (writer, reader *sqlstore.Store) {
	schema := newSchema()
	var stores []*sqlstore.Store
	for range 2 {
		db := openDB(b, srv.DSN())
		opts := &sqlstore.Options{Schema: schema}
		if listen {
			opts = listening(db, schema)
		}
		stores = append(stores, open(b, db, opts))
	}
	return stores[0], stores[1]
}

// BenchmarkBurst measures how long after a burst of 10,000 creates another server has seen all of them.
func BenchmarkBurst(b *testing.B) {
	srv := sqlstoretest.Require(b, "fsync=off")
	var lag time.Duration
	for range b.N {
		writer, reader := storePair(b, srv, false)
		next, stop := iter.Pull2(reader.Watch(b.Context(), "things"))
		_, _, _ = next() // the zero Key
		burst(b, writer)
		began := time.Now()
		if _, err := writer.Put(b.Context(), thing("last"), nil, store.Condition{}); err != nil {
			b.Fatal(err)
		}
		for c, err, _ := next(); c.Key != thing("last") && c.Key != (store.Key{}); c, err, _ = next() {
			if err != nil {
				b.Fatal(err)
			}
		}
		lag += time.Since(began)
		stop()
	}
	b.ReportMetric(float64(lag.Milliseconds())/float64(b.N), "lag-ms")
	b.ReportMetric(0, "ns/op")
}

// burst creates 10,000 records.
func burst(b *testing.B, s *sqlstore.Store) {
	const writers, each = 8, 1250
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			for n := range each {
				_, err := s.Put(b.Context(), thing(fmt.Sprintf("%d-%d", i, n)), benchValue, store.IfAbsent())
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// BenchmarkList10000 compares a list of 10,000 records with a SELECT through pgx alone.
func BenchmarkList10000(b *testing.B) {
	srv := sqlstoretest.Require(b, "fsync=off")
	db, schema := openDB(b, srv.DSN()), newSchema()
	s := open(b, db, &sqlstore.Options{Schema: schema})
	exec(b, db, schema, `INSERT INTO {schema}.records
		SELECT 'things', lpad(i::text, 5, '0'), i, i, (SELECT string_agg(decode(md5((i*1000+j)::text), 'hex'), '')
			FROM generate_series(1, 400) AS j) FROM generate_series(1, 10000) AS i`)
	exec(b, db, schema, `ANALYZE {schema}.records`)
	pool, err := pgxpool.New(b.Context(), srv.DSN())
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	b.Run("pgx", func(b *testing.B) {
		for range b.N {
			rows, err := pool.Query(b.Context(), `SELECT id, revision, value FROM `+schema+`.records ORDER BY id`)
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for rows.Next() {
				var id string
				var revision int64
				var value []byte
				if err := rows.Scan(&id, &revision, &value); err != nil {
					b.Fatal(err)
				}
				n += len(value)
			}
			if n != 10_000*6400 {
				b.Fatal(n)
			}
		}
	})
	b.Run("List", func(b *testing.B) {
		for range b.N {
			n := 0
			for r, err := range s.List(b.Context(), "things") {
				if err != nil {
					b.Fatal(err)
				}
				n += len(r.Value)
			}
			if n != 10_000*6400 {
				b.Fatal(n)
			}
		}
	})
	b.Run("Revisions", func(b *testing.B) {
		for range b.N {
			for _, err := range s.Revisions(b.Context(), "things") {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
