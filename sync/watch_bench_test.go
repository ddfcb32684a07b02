//go:build unix

package patchsync

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store/filestore"
)

// A feedHost is an HTTP server for all addresses of this machine that answers with appcasts of 20 versions.
type feedHost struct {
	port     int
	versions []atomic.Int64 // the newest ones, by the number in the path
	requests atomic.Int64
}

// newFeedHost returns a server with some feeds.
func newFeedHost(b *testing.B, feeds int) *feedHost {
	h := &feedHost{versions: make([]atomic.Int64, feeds)}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err == nil {
		h.port = l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
		l, err = net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", h.port))
	}
	if err != nil {
		b.Skip(err)
	}
	s := httptest.NewUnstartedServer(h)
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	b.Cleanup(s.Close)
	return h
}

// ServeHTTP implements [http.Handler].
func (h *feedHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.requests.Add(1)
	var i int
	_, _ = fmt.Sscanf(r.URL.Path, "/%d.xml", &i)
	newest := h.versions[i].Load() + 20
	etag := fmt.Sprintf(`"%d"`, newest)
	w.Header().Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	var s strings.Builder
	s.WriteString(`<rss xmlns:sparkle="http://www.andymatuschak.org/xml-namespaces/sparkle"><channel>`)
	for v := newest; v > newest-20; v-- {
		date := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(v) * time.Minute)
		fmt.Fprintf(&s, `<item><title>1.%d</title><pubDate>%s</pubDate><description>%s</description>`+
			`<sparkle:minimumSystemVersion>12.0</sparkle:minimumSystemVersion><enclosure sparkle:version="%d" `+
			`sparkle:shortVersionString="1.%d" url="https://vendor.example/App-1.%d.zip"/></item>`,
			v, date.Format(time.RFC1123Z), strings.Repeat("Fixes. ", 100), v, v, v)
	}
	s.WriteString(`</channel></rss>`)
	_, _ = io.WriteString(w, s.String())
}

// url returns the address of a feed: the feeds are spread over 50 hosts.
func (h *feedHost) url(i int) string {
	return fmt.Sprintf("http://127.0.0.%d:%d/%d.xml", 1+i%50, h.port, i)
}

// cpu returns the processor time that the process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// watchBench returns a Runner over a filestore whose titles follow the feeds of h.
func watchBench(b *testing.B, h *feedHost, titles int) (*Runner, *countedStore) {
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
	r, err := New(c, st, &Options{AllowPrivateNetworks: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(r.fetcher.client.Close)
	if err := r.watches.records.load(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := each(titles, func(i int) error {
		def, err := patch.NewDefinition(patch.Application{
			ID:        fmt.Sprintf("T%05d", i),
			Name:      fmt.Sprintf("T%05d", i),
			BundleID:  fmt.Sprintf("com.example.t%05d", i),
			Version:   "1.20",
			MinimumOS: "12.0",
			Released:  time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		})
		if err != nil {
			return err
		}
		if _, err := c.Create(b.Context(), def, nil); err != nil {
			return err
		}
		watch := recipe.Watch{Feed: recipe.Feed{Kind: "sparkle", URL: h.url(i % len(h.versions))}}
		return r.watches.Set(b.Context(), def.ID, watch, WatchOptions{Trusted: true})
	}); err != nil {
		b.Fatal(err)
	}
	return r, st
}

// BenchmarkWatches measures a round of 2,000 watches over 1,500 addresses on 50 hosts without a new version, beside the
// bare conditional requests, and the time from the check of a feed with a new version until that is served.
func BenchmarkWatches(b *testing.B) {
	const titles, feeds = 2000, 1500
	h := newFeedHost(b, feeds)
	r, st := watchBench(b, h, titles)
	w := r.watches
	round := func() error {
		groups := make([]*watchGroup, 0, feeds)
		for _, g := range w.agenda.groups {
			groups = append(groups, g)
		}
		if len(groups) != feeds {
			return fmt.Errorf("%d groups", len(groups))
		}
		return each(len(groups), func(i int) error {
			w.checkGroup(b.Context(), groups[i])
			return nil
		})
	}
	if err := round(); err != nil { // so that the ETags are known
		b.Fatal(err)
	}
	if c := w.Counts(); c.Failed > 0 || c.Succeeded != titles {
		b.Fatalf("%+v", c)
	}
	measure := func(b *testing.B, f func() error) {
		requests, writes, used, n := h.requests.Load(), st.n.Load(), cpu(b), int64(0)
		for b.Loop() {
			n++
			if err := f(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(h.requests.Load()-requests)/float64(n), "requests/op")
		b.ReportMetric(float64(st.n.Load()-writes)/float64(n), "writes/op")
		b.ReportMetric(float64((cpu(b)-used).Milliseconds())/float64(n), "cpu-ms/op")
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConns: 128, MaxIdleConnsPerHost: 4}}
	b.Cleanup(client.CloseIdleConnections)
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		measure(b, func() error { return each(feeds, func(i int) error { return bareRequest(b, client, h.url(i)) }) })
	})
	b.Run("unchanged", func(b *testing.B) {
		b.ReportAllocs()
		measure(b, round)
	})
	b.Run("one changed", func(b *testing.B) {
		measure(b, func() error {
			v := h.versions[7].Add(1) + 20
			if _, err := w.Check(b.Context(), "T00007", "", false); err != nil {
				return err
			}
			if t, _ := r.catalog.Title("T00007"); t.CurrentVersion != fmt.Sprintf("1.%d", v) {
				return fmt.Errorf("version %s is served, want 1.%d", t.CurrentVersion, v)
			}
			return nil
		})
	})
}

// bareRequest sends a conditional request that is answered with 304.
func bareRequest(b *testing.B, client *http.Client, url string) error {
	q, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	q.Header.Set("If-None-Match", `"20"`)
	res, err := client.Do(q)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return err
}
