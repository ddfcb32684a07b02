package s3storetest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/s3store"
	"github.com/patchsource/patchsource/store/s3store/s3storetest"
)

// value is a value of the size of a large title.
var value = bytes.Repeat([]byte("01234567"), 1024)

// eachServerB runs a benchmark over each server.
func eachServerB(b *testing.B, bench func(b *testing.B, s *s3storetest.Server)) {
	for _, s := range servers {
		b.Run(s.name, func(b *testing.B) {
			started, err := s.start()
			s3storetest.Check(b, err)
			bench(b, started)
		})
	}
}

// BenchmarkPut compares the creation of records of 8 KiB with PutObject alone.
func BenchmarkPut(b *testing.B) {
	eachServerB(b, func(b *testing.B, server *s3storetest.Server) {
		for _, writers := range []int{1, 16} {
			client := server.Client()
			b.Run(fmt.Sprintf("raw/%d", writers), func(b *testing.B) {
				prefix := newPrefix()
				write(b, writers, func(ctx context.Context, i int64) error {
					_, err := client.PutObject(ctx, &s3.PutObjectInput{
						Bucket:      aws.String(s3storetest.Bucket),
						Key:         aws.String(prefix + "/" + strconv.FormatInt(i, 10)),
						Body:        bytes.NewReader(value),
						IfNoneMatch: aws.String("*"),
					})
					return err
				})
			})
			b.Run(fmt.Sprintf("s3store/%d", writers), func(b *testing.B) {
				s := open(b, client, &s3store.Options{Prefix: newPrefix()})
				write(b, writers, func(ctx context.Context, i int64) error {
					key := store.Key{Kind: "titles", ID: strconv.FormatInt(i, 10)}
					_, err := s.Put(ctx, key, value, store.IfAbsent())
					return err
				})
			})
		}
	})
}

// write calls put b.N times from several writers.
func write(b *testing.B, writers int, put func(ctx context.Context, i int64) error) {
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for range writers {
		all.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := put(b.Context(), i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
}

// BenchmarkWatch measures the time from the return of a Put to the change at another server.
func BenchmarkWatch(b *testing.B) {
	eachServerB(b, func(b *testing.B, server *s3storetest.Server) {
		prefix := newPrefix()
		s := open(b, server.Client(), &s3store.Options{Prefix: prefix})
		other := open(b, server.Client(), &s3store.Options{Prefix: prefix})
		var latencies []time.Duration
		key := store.Key{Kind: "titles", ID: "a"}
		var put time.Time
		b.ResetTimer()
		for c, err := range s.Watch(b.Context(), "titles") {
			if err != nil {
				b.Fatal(err)
			}
			if c.Key == key {
				latencies = append(latencies, time.Since(put))
			}
			if len(latencies) == b.N {
				break
			}
			// The changes are spread evenly between two readings of the head.
			time.Sleep(time.Duration(len(latencies)*37%100) * 5 * time.Millisecond)
			if _, err := other.Put(b.Context(), key, value, store.Condition{}); err != nil {
				b.Fatal(err)
			}
			put = time.Now()
		}
		slices.Sort(latencies)
		for percent, name := range map[int]string{50: "p50-ms", 95: "p95-ms", 100: "max-ms"} {
			at := latencies[(len(latencies)-1)*percent/100]
			b.ReportMetric(float64(at.Milliseconds()), name)
		}
	})
}

// listed is the number of records of BenchmarkList.
const listed = 10_000

// BenchmarkList compares reading 10,000 records of 8 KiB with ListObjectsV2 and GetObject alone. Before, it logs how
// long another server needs to read all of them through a watch after 16 writers have created them.
func BenchmarkList(b *testing.B) {
	eachServerB(b, func(b *testing.B, server *s3storetest.Server) {
		prefix := newPrefix()
		s := open(b, server.Client(), &s3store.Options{Prefix: prefix})
		create(b, s, open(b, server.Client(), &s3store.Options{Prefix: prefix}))
		b.Run("raw", func(b *testing.B) {
			for b.Loop() {
				if n := readRaw(b, server.Client(), prefix+"/titles/"); n != listed {
					b.Fatalf("%d objects, want %d", n, listed)
				}
			}
		})
		b.Run("s3store", func(b *testing.B) {
			for b.Loop() {
				n := 0
				for _, err := range s.List(b.Context(), "titles") {
					if n++; err != nil {
						b.Fatal(err)
					}
				}
				if n != listed {
					b.Fatalf("%d records, want %d", n, listed)
				}
			}
		})
	})
}

// create creates the records in a store, while another server reads them.
func create(b *testing.B, s, other *s3store.Store) {
	begun, read := make(chan struct{}), make(chan time.Time, 1)
	go func() { read <- readAll(b, other, begun) }()
	<-begun
	var next atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for i := next.Add(1); i <= listed; i = next.Add(1) {
				key := store.Key{Kind: "titles", ID: strconv.FormatInt(i, 10)}
				if _, err := s.Put(b.Context(), key, value, store.IfAbsent()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	created := time.Now()
	b.Logf("lag after %d creations: %v", listed, (<-read).Sub(created))
}

// readRaw reads all objects whose names begin with a prefix, 16 at once, and returns their number.
func readRaw(b *testing.B, client *s3.Client, prefix string) int {
	names := make(chan *string)
	var count atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for name := range names {
				input := &s3.GetObjectInput{Bucket: aws.String(s3storetest.Bucket), Key: name}
				out, err := client.GetObject(b.Context(), input)
				if err == nil {
					_, err = io.Copy(io.Discard, out.Body)
				}
				if err != nil {
					b.Error(err)
				}
				count.Add(1)
			}
		})
	}
	input := &s3.ListObjectsV2Input{Bucket: aws.String(s3storetest.Bucket), Prefix: &prefix}
	for pages := s3.NewListObjectsV2Paginator(client, input); pages.HasMorePages(); {
		page, err := pages.NextPage(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		for _, o := range page.Contents {
			names <- o.Key
		}
	}
	close(names)
	all.Wait()
	return int(count.Load())
}

// readAll watches the titles and lists their revisions after a gap, until it knows all of them. It returns when that
// was.
func readAll(b *testing.B, s *s3store.Store, begun chan struct{}) time.Time {
	known := map[string]store.Revision{}
	for c, err := range s.Watch(b.Context(), "titles") {
		if err != nil {
			b.Error(err)
			return time.Now()
		}
		changed := []store.Change{c}
		if c.Key == (store.Key{}) {
			changed = nil
			for c, err := range store.Revisions(b.Context(), s, "titles") {
				if err != nil {
					b.Error(err)
					return time.Now()
				}
				changed = append(changed, c)
			}
		}
		for _, c := range changed {
			if known[c.Key.ID] == c.Revision {
				continue
			}
			r, err := s.Get(b.Context(), c.Key)
			if err != nil {
				b.Error(err)
				return time.Now()
			}
			known[c.Key.ID] = r.Revision
		}
		if begun != nil {
			close(begun)
			begun = nil
		}
		if len(known) == listed {
			break
		}
	}
	return time.Now()
}
