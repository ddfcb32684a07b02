package patchsync

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/filestore"
)

// A countedStore counts its writes.
type countedStore struct {
	store.Store
	n atomic.Int64
}

// Put implements [store.Store].
func (c *countedStore) Put(
	ctx context.Context,
	key store.Key,
	value []byte,
	cond store.Condition,
) (store.Revision, error) {
	c.n.Add(1)
	return c.Store.Put(ctx, key, value, cond)
}

// benchDefinition returns a definition with one version.
func benchDefinition(id, version string) *patch.Definition {
	return &patch.Definition{
		ID:             id,
		Name:           id,
		Publisher:      "P",
		LastModified:   "2018-02-02T17:39:58Z",
		CurrentVersion: version,
		Requirements: []patch.Criterion{
			{Name: "Application Title", Operator: "is", Value: id, Type: "recon", And: new(true)},
		},
		Patches: []patch.Patch{
			{Version: version, ReleaseDate: "2018-02-02T17:39:58Z", MinimumOperatingSystem: "10.9"},
		},
	}
}

// An upstreamHost is an HTTP server on this machine that answers for every host.
type upstreamHost struct {
	version         atomic.Pointer[string]
	requests, bytes atomic.Int64
	titles          []patch.Summary
	transport       *http.Transport
}

// newUpstream returns a server with a list of some titles.
func newUpstream(b *testing.B, titles int) *upstreamHost {
	u := &upstreamHost{}
	one := "1"
	u.version.Store(&one)
	for i := range titles {
		u.titles = append(u.titles, benchDefinition(fmt.Sprintf("T%05d", i), "1").Summary())
	}
	list, err := json.Marshal(u.titles)
	if err != nil {
		b.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.requests.Add(1)
		version := "1"
		if strings.HasSuffix(r.URL.Path, "/T00000") {
			version = *u.version.Load()
		}
		w.Header().Set("ETag", `"`+version+`"`)
		if r.Header.Get("If-None-Match") == `"`+version+`"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		body := list
		if !strings.HasSuffix(r.URL.Path, "/software") {
			body, _ = benchDefinition(r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:], version).MarshalJSON()
		}
		n, _ := w.Write(body)
		u.bytes.Add(int64(n))
	}))
	b.Cleanup(s.Close)
	u.transport = &http.Transport{
		MaxIdleConns:        128,
		MaxIdleConnsPerHost: 4,
		DisableCompression:  true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", s.Listener.Addr().String())
		},
	}
	b.Cleanup(u.transport.CloseIdleConnections)
	return u
}

// benchRunner returns a Runner over a filestore that sends its requests to u.
func benchRunner(b *testing.B, u *upstreamHost, mirrors ...Mirror) (*Runner, *countedStore) {
	files, err := filestore.Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = files.Close() })
	st := &countedStore{Store: files}
	c, err := catalog.Open(b.Context(), st, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	r, err := New(c, st, &Options{Transport: u.transport, Mirrors: mirrors, Interval: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	return r, st
}

// each calls f with the numbers below n, 64 at once, and returns one of the errors.
func each(n int, f func(i int) error) error {
	var group sync.WaitGroup
	var failed atomic.Pointer[error]
	next := make(chan int)
	for range 64 {
		group.Go(func() {
			for i := range next {
				if err := f(i); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	group.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// BenchmarkFollowed measures a round of each of 10,000 titles on 50 hosts without changes, which must take at most
// twice as long as the bare requests, and the time until a change is served.
func BenchmarkFollowed(b *testing.B) {
	const titles, hosts = 10_000, 50
	u := newUpstream(b, 0)
	r, st := benchRunner(b, u)
	url := func(i int) string { return fmt.Sprintf("http://host%02d.example/T%05d", i%hosts, i) }
	if err := each(titles, func(i int) error {
		id := fmt.Sprintf("T%05d", i)
		_, err := r.catalog.Create(b.Context(), benchDefinition(id, "1"), &catalog.CreateOptions{Follows: url(i)})
		return err
	}); err != nil {
		b.Fatal(err)
	}
	r.reconcile()
	round := func() error {
		jobs := make([]*job, 0, titles)
		for _, j := range r.agenda.jobs {
			jobs = append(jobs, j)
		}
		return each(len(jobs), func(i int) error { return r.runRound(b.Context(), jobs[i]) })
	}
	if err := round(); err != nil { // so that the ETags are known
		b.Fatal(err)
	}
	client := &http.Client{Transport: u.transport}
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := each(titles, func(i int) error {
				q, err := http.NewRequestWithContext(b.Context(), "GET", url(i), nil)
				if err != nil {
					return err
				}
				q.Header.Set("If-None-Match", `"1"`)
				res, err := client.Do(q)
				if err != nil {
					return err
				}
				_, err = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				return err
			}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("unchanged", func(b *testing.B) {
		b.ReportAllocs()
		requests, bytes, writes, n := u.requests.Load(), u.bytes.Load(), st.n.Load(), int64(0)
		for b.Loop() {
			n++
			if err := round(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64((u.requests.Load()-requests)/n), "requests/op")
		b.ReportMetric(float64(u.bytes.Load()-bytes), "bytes")
		b.ReportMetric(float64(st.n.Load()-writes), "writes")
	})
	b.Run("one changed", func(b *testing.B) {
		n := 1
		for b.Loop() {
			n++
			v := fmt.Sprint(n)
			u.version.Store(&v)
			if _, err := r.Sync(b.Context(), "T00000"); err != nil {
				b.Fatal(err)
			}
			if t, _ := r.catalog.Title("T00000"); t.CurrentVersion != v {
				b.Fatalf("version %s is served, want %s", t.CurrentVersion, v)
			}
		}
	})
}

// BenchmarkMirror measures the first round of a source of 3,000 titles, and a round without changes.
func BenchmarkMirror(b *testing.B) {
	u := newUpstream(b, 3000)
	mirror := Mirror{Source: PatchSource("http://vendor.example/v1", nil)}
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			r, st := benchRunner(b, u, mirror)
			r.reconcile()
			b.StartTimer()
			for _, j := range r.agenda.jobs {
				if err := r.runRound(b.Context(), j); err != nil || r.catalog.Len() != 3000 {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(st.n.Load()), "writes/op")
		}
	})
	b.Run("unchanged", func(b *testing.B) {
		r, st := benchRunner(b, u, mirror)
		r.reconcile()
		for _, j := range r.agenda.jobs {
			if err := r.runRound(b.Context(), j); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			writes := st.n.Load()
			for b.Loop() {
				if err := r.runRound(b.Context(), j); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(st.n.Load()-writes), "writes")
		}
	})
}
