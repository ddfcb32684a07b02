package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/store/s3store/s3storetest"
	"github.com/patchsource/patchsource/store/sqlstore/sqlstoretest"
)

// startTitles is the number of titles of BenchmarkStart.
const startTitles = 10_000

// BenchmarkStart opens a catalog of 10,000 titles of 6.5 kB in each store that several servers can share, and compares
// the time, "open-ms", with that in which the client of the storage reads the same records, "client-ms", in turns. It
// reports medians.
func BenchmarkStart(b *testing.B) {
	b.Run("postgres", func(b *testing.B) {
		srv := sqlstoretest.Require(b, "fsync=off")
		host := url.QueryEscape(filepath.Dir(srv.Socket()))
		benchmarkStart(b, "postgres://postgres@/postgres?host="+host+"&sslmode=disable&schema=start",
			func(ctx context.Context) (int, error) { return selectTitles(ctx, srv.DSN()) })
	})
	for _, server := range []struct {
		name  string
		start func() (*s3storetest.Server, error)
	}{{"gofakes3", s3storetest.Start}, {"versitygw", s3storetest.StartVersity}} {
		b.Run(server.name, func(b *testing.B) {
			srv, err := server.start()
			s3storetest.Check(b, err)
			defer srv.Stop()
			b.Setenv("AWS_ACCESS_KEY_ID", "access")
			b.Setenv("AWS_SECRET_ACCESS_KEY", "secret-of-a-test")
			benchmarkStart(b, "s3://"+s3storetest.Bucket+"/start?path_style=1&endpoint="+srv.Endpoint(),
				func(ctx context.Context) (int, error) { return getTitles(ctx, srv.Client(), "start/titles/") })
		})
	}
}

// benchmarkStart fills a store and measures. read reads all titles with the client of the storage and returns their
// number.
func benchmarkStart(b *testing.B, name string, read func(context.Context) (int, error)) {
	s, err := (&flags{}).openStore(b.Context(), name, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = closeStore(s) }()
	bytes := putTitles(b, s)
	times := map[string][]float64{}
	measure := func(name string, f func() (int, error)) {
		runtime.GC()
		began := time.Now()
		n, err := f()
		times[name] = append(times[name], float64(time.Since(began).Microseconds())/1000)
		if err != nil || n != startTitles {
			b.Fatalf("%s: %d titles, %v", name, n, err)
		}
	}
	for b.Loop() {
		measure("client-ms", func() (int, error) { return read(b.Context()) })
		var c *catalog.Catalog
		measure("open-ms", func() (n int, err error) {
			if c, err = catalog.Open(b.Context(), s, nil); err == nil {
				n = c.Len()
			}
			return n, err
		})
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
	for name, all := range times {
		slices.Sort(all)
		b.ReportMetric(all[len(all)/2], name)
	}
	client, open := times["client-ms"], times["open-ms"]
	b.ReportMetric(open[len(open)/2]/client[len(client)/2], "ratio")
	b.ReportMetric(float64(bytes)/startTitles, "bytes/title")
	b.ReportMetric(0, "ns/op")
}

// putTitles puts the records of titles into a store and returns the number of their bytes.
func putTitles(b *testing.B, s store.Store) (bytes int) {
	source := memstore.New()
	c, err := catalog.Open(b.Context(), source, nil)
	if err != nil {
		b.Fatal(err)
	}
	for i := range startTitles {
		def, err := patch.Parse([]byte(definition("title-"+strconv.Itoa(i), "2")), nil)
		if err != nil {
			b.Fatal(err)
		}
		for v := range 34 {
			p := def.Patches[0]
			p.Version = fmt.Sprintf("1.%d", v)
			def.Patches = append(def.Patches, p)
		}
		if _, err := c.Create(b.Context(), def, nil); err != nil {
			b.Fatal(err)
		}
	}
	if err := c.Close(); err != nil {
		b.Fatal(err)
	}
	records := make(chan store.Record)
	var writers sync.WaitGroup
	for range 16 {
		writers.Go(func() {
			for r := range records {
				if _, err := s.Put(b.Context(), r.Key, r.Value, store.IfAbsent()); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for r, err := range source.List(b.Context(), "titles") {
		if err != nil {
			b.Fatal(err)
		}
		bytes += len(r.Value)
		records <- r
	}
	close(records)
	writers.Wait()
	return bytes
}

// selectTitles reads all titles in a database and returns their number.
func selectTitles(ctx context.Context, dsn string) (n int, err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, `SELECT id, revision, value FROM start.records WHERE kind = 'titles' ORDER BY id`)
	if err != nil {
		return 0, err
	}
	for ; rows.Next(); n++ {
		var id string
		var revision int64
		var value []byte
		if err := rows.Scan(&id, &revision, &value); err != nil {
			return 0, err
		}
	}
	return n, rows.Err()
}

// getTitles reads all objects whose names begin with a prefix, 16 at once, and returns their number.
func getTitles(ctx context.Context, client *s3.Client, prefix string) (n int, err error) {
	names := make(chan *string)
	errs := make([]error, 16)
	var readers sync.WaitGroup
	for i := range errs {
		readers.Go(func() {
			for name := range names {
				out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(s3storetest.Bucket), Key: name})
				if err == nil {
					_, err = io.Copy(io.Discard, out.Body)
					_ = out.Body.Close()
				}
				errs[i] = errors.Join(errs[i], err)
			}
		})
	}
	input := &s3.ListObjectsV2Input{Bucket: aws.String(s3storetest.Bucket), Prefix: &prefix}
	for pages := s3.NewListObjectsV2Paginator(client, input); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return 0, err
		}
		for _, o := range page.Contents {
			names <- o.Key
			n++
		}
	}
	close(names)
	readers.Wait()
	return n, errors.Join(errs...)
}
