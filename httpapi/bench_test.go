package httpapi_test

import (
	"archive/zip"
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// benchCatalog returns a catalog of n titles, made of real definitions of mixed sizes, and their ids.
func benchCatalog(b *testing.B, n int) (*catalog.Catalog, []string) {
	b.Helper()
	z, err := zip.OpenReader("../patch/testdata/definitions.zip")
	if err != nil {
		b.Fatal(err)
	}
	defer z.Close()
	var defs []*patch.Definition
	for _, f := range z.File {
		data, err := fs.ReadFile(z, f.Name)
		if err != nil {
			b.Fatal(err)
		}
		if len(data) > 20_000 {
			continue
		}
		d, err := patch.Parse(data, nil)
		if err != nil {
			b.Fatal(err)
		}
		defs = append(defs, d)
	}
	titles, err := catalog.Open(context.Background(), memstore.New(), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = titles.Close() })
	var ids []string
	for i := range n {
		d := *defs[i%len(defs)]
		d.ID += strconv.Itoa(i)
		if _, err := titles.Create(context.Background(), &d, nil); err != nil {
			b.Fatal(err)
		}
		ids = append(ids, d.ID)
	}
	return titles, ids
}

// serveOn starts a server on the loopback address and returns its address.
func serveOn(b *testing.B, h http.Handler) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &http.Server{Handler: h}
	go func() { _ = s.Serve(l) }()
	b.Cleanup(func() { _ = s.Close() })
	return l.Addr().String()
}

// bare returns a handler that answers with a body under three headers.
func bare(body []byte, zipped bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Content-Length", strconv.Itoa(len(body)))
		if zipped {
			h.Set("Content-Encoding", "gzip")
		}
		_, _ = w.Write(body)
	})
}

// same returns a handler that answers with the same header and body as the feed and decides nothing.
func same(header http.Header, body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for name, values := range header {
			if name != "Date" {
				h[name] = values
			}
		}
		_, _ = w.Write(body)
	})
}

// A discard is a ResponseWriter that keeps nothing, to count the allocations of a handler.
type discard struct{ h http.Header }

func (d discard) Header() http.Header       { return d.h }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

// BenchmarkFeed compares the feed over real connections with two handlers that decide nothing, in turns of one run. The
// ratios are medians over all turns of requests per second: "ratio" compares with a handler that writes the same header
// and body, "ratio-body" with one that writes the same body under three headers. "allocs-more" is the number of
// allocations per request that the feed makes beyond the latter.
func BenchmarkFeed(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000} {
		titles, ids := benchCatalog(b, n)
		h := newHandler(b, titles, nil)
		ten := strings.Join(ids[len(ids)/2:len(ids)/2+10], ",")
		for _, c := range []struct{ name, path string }{
			{"list", "/jamf/v1/software"},
			{"ten", "/jamf/v1/software/" + ten},
			{"definition", "/jamf/v1/patch/" + ids[0]}, // it is the same for every n
		} {
			for _, encoding := range []string{"identity", "gzip"} {
				b.Run(fmt.Sprintf("%s/%d/%s", c.name, n, encoding), func(b *testing.B) {
					compareFeed(b, h, c.path, encoding)
				})
			}
		}
	}
}

func compareFeed(b *testing.B, h http.Handler, path, encoding string) {
	r, err := http.NewRequest("GET", "http://127.0.0.1"+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", encoding)
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, r)
	body := answer.Body.Bytes()
	zipped := answer.Header().Get("Content-Encoding") == "gzip"
	if answer.Code != 200 || zipped != (encoding == "gzip") {
		b.Fatal(answer.Code, answer.Header())
	}
	limits := []http.Handler{h, same(answer.Header(), body), bare(body, zipped)}

	allocs := func(h http.Handler) float64 {
		return testing.AllocsPerRun(200, func() { h.ServeHTTP(discard{http.Header{}}, r) })
	}
	more := allocs(h) - allocs(limits[2])

	var clients [3]*rawClient
	for i, h := range limits {
		clients[i] = dial(b, serveOn(b, h), path, encoding, len(body))
		clients[i].get(50)
	}
	times := max(5, 100_000/(len(body)/10+500)) // so that turns take about as long for large bodies as for small ones
	var ratios [2][]float64
	var took time.Duration
	turn := 0
	for b.Loop() {
		var d [3]time.Duration
		for i := range clients { // the first one changes, so that a slow moment favors none
			k := (i + turn) % 3
			d[k] = clients[k].get(times)
		}
		turn++
		took += d[0]
		for i := range ratios {
			ratios[i] = append(ratios[i], float64(d[i+1])/float64(d[0]))
		}
	}
	for i, name := range []string{"ratio", "ratio-body"} {
		slices.Sort(ratios[i])
		b.ReportMetric(ratios[i][turn/2], name)
	}
	b.ReportMetric(more, "allocs-more")
	b.ReportMetric(float64(len(body)), "bytes")
	b.ReportMetric(float64(took.Nanoseconds())/float64(turn*times), "ns/request")
	b.ReportMetric(0, "ns/op")
}

// A rawClient repeats one request over one connection. It does little, since http.Client spends more on an answer than
// the server does.
type rawClient struct {
	b       *testing.B
	conn    net.Conn
	in      *bufio.Reader
	request []byte
	length  int
}

// dial connects a rawClient to an address.
func dial(b *testing.B, addr, path, encoding string, length int) *rawClient {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	request := "GET " + path + " HTTP/1.1\r\nHost: x\r\nUser-Agent: bench\r\n" +
		"Accept-Encoding: " + encoding + "\r\n\r\n"
	return &rawClient{b, conn, bufio.NewReaderSize(conn, 64<<10), []byte(request), length}
}

// get sends the request a number of times and returns how long that took.
func (c *rawClient) get(times int) time.Duration {
	begun := time.Now()
	for range times {
		if _, err := c.conn.Write(c.request); err != nil {
			c.b.Fatal(err)
		}
		for line := 0; ; line++ {
			l, err := c.in.ReadSlice('\n')
			if err != nil || line == 0 && string(l) != "HTTP/1.1 200 OK\r\n" {
				c.b.Fatalf("got %q, %v; want a status 200", l, err)
			}
			if len(l) == 2 {
				break
			}
		}
		if _, err := c.in.Discard(c.length); err != nil {
			c.b.Fatal(err)
		}
	}
	return time.Since(begun)
}
