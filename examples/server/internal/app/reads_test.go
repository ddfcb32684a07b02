package app

import (
	"archive/zip"
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/examples/internal/logging"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// BenchmarkReads compares the CPU time of a read with that of a bare handler, which looks a path up in a map and
// writes the same header and body. The server answers with its access log and its metrics, and the bare handler as the
// one of a plain http.Server. Both answer the same client, which is another process, in turns. "ratio" is the median
// of the bare handler's time divided by the server's, and "ratio-silent" is the same without the access log.
func BenchmarkReads(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // as main sets it for a small heap
	s := newReads(b)
	client := startReadClient(b)
	for _, c := range []struct {
		name, path string
		unchanged  bool
	}{
		{"list", "/jamf/v1/software", false},
		{"list-304", "/jamf/v1/software", true},
		{"ten", "/jamf/v1/software/" + strings.Join(s.ids[500:510], ","), false},
		{"definition", "/jamf/v1/patch/" + s.ids[500], false},
		{"contributor", "/jamf/v1/macman/software", false},
	} {
		b.Run(c.name, func(b *testing.B) {
			header := http.Header{"Accept-Encoding": {"gzip"}}
			if c.unchanged {
				header.Set("If-None-Match", readOnce(s.logged, c.path, header).Header().Get("ETag"))
			}
			targets := make([]*readTarget, 0, 4)
			for _, h := range []http.Handler{s.logged, s.silent} {
				got := readOnce(h, c.path, header)
				if got.Code != 200 && got.Code != 304 {
					b.Fatalf("got status %d: %s", got.Code, got.Body)
				}
				got.Header().Set("Content-Length", strconv.Itoa(got.Body.Len())) // net/http may add it
				targets = append(targets,
					&readTarget{addr: serveReads(b, h)}, &readTarget{addr: serveBare(b, c.path, got)})
			}
			compareReads(b, client, targets, c.path, header)
		})
	}
}

// A readTarget is a server that is measured.
type readTarget struct {
	addr string
	cost []float64 // of a request in each turn, in microseconds
}

// compareReads measures the server with its log, a bare handler, the server without its log, and a bare handler.
func compareReads(b *testing.B, client *readClient, targets []*readTarget, path string, header http.Header) {
	var head bytes.Buffer
	_ = header.Write(&head)
	request := "GET " + path + " HTTP/1.1\r\nHost: x\r\n" + head.String() + "\r\n"
	const requests = 400 // in a turn, which is short, so that a slow moment affects all targets
	for _, t := range targets {
		client.send(b, t.addr, request, requests)
	}
	turn := 0
	for ; b.Loop(); turn++ {
		for i := range targets {
			t := targets[(i+turn)%len(targets)]
			before := readsCPU()
			client.send(b, t.addr, request, requests)
			t.cost = append(t.cost, float64(readsCPU()-before)/float64(time.Microsecond)/requests)
		}
	}
	ratio := func(ours, bare *readTarget) float64 {
		var all []float64
		for i := range ours.cost {
			all = append(all, bare.cost[i]/ours.cost[i])
		}
		return median(all)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(ratio(targets[0], targets[1]), "ratio")
	b.ReportMetric(ratio(targets[2], targets[3]), "ratio-silent")
	b.ReportMetric(median(targets[0].cost), "µs")
	b.ReportMetric(median(targets[1].cost), "µs-bare")
	b.ReportMetric(median(targets[2].cost), "µs-silent")
}

// median returns the median of values, which it sorts.
func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// readOnce returns the answer to a request.
func readOnce(h http.Handler, path string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	r.Header = header.Clone()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// serveReads serves a handler as the server does, and returns the address.
func serveReads(b *testing.B, h http.Handler) string {
	b.Helper()
	w, err := listen(&flags{Addr: "127.0.0.1:0"}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = w.servers[0].Close() })
	w.use(h)
	return w.listener.Addr().String()
}

// serveBare serves an answer at a path as a bare handler does, and returns the address.
func serveBare(b *testing.B, path string, got *httptest.ResponseRecorder) string {
	b.Helper()
	if got.Code == http.StatusNotModified {
		got.Header().Del("Content-Length")
	}
	answers := map[string]*httptest.ResponseRecorder{path: got}
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := answers[r.URL.Path]
		h := w.Header()
		for name, values := range a.Header() {
			h[name] = values
		}
		if a.Code != http.StatusOK {
			w.WriteHeader(a.Code)
			return
		}
		_, _ = w.Write(a.Body.Bytes())
	}))
	b.Cleanup(bare.Close)
	return bare.Listener.Addr().String()
}

// A readsSource is a source of 1,000 titles, with an access log and without one. The contributor macman has ten titles.
type readsSource struct {
	logged, silent *server.Server
	ids            []string
}

func newReads(b *testing.B) *readsSource {
	b.Helper()
	file, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = file.Close() })
	lines := logging.New(file, false)
	b.Cleanup(lines.Close)
	secret, _, err := auth.LoadSecret(filepath.Join(b.TempDir(), "secret"))
	if err != nil {
		b.Fatal(err)
	}
	records, box := memstore.New(), &lastMail{}
	open := func(logged bool) *server.Server {
		s, err := server.Open(context.Background(), server.Config{
			Store:        records,
			Secret:       secret,
			Mailer:       box,
			FallbackSite: "http://localhost",
			RootFeed:     true,
			AccessLog:    logged,
			Limits:       server.Limits{CacheBytes: cacheBytes},
			Logger:       slog.New(lines),
		})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = s.Close() })
		return s
	}
	source := &readsSource{logged: open(true)}
	source.create(b, box)
	source.silent = open(false) // it reads what the first one has written
	return source
}

// create creates the contributor and the titles.
func (s *readsSource) create(b *testing.B, box *lastMail) {
	b.Helper()
	ctx := context.Background()
	if err := s.logged.Community.Register(ctx, "MacMan", "mac@example.com"); err != nil {
		b.Fatal(err)
	}
	link := regexp.MustCompile(`code=([^&\s]+)&id=([^&\s]+)`).FindStringSubmatch(box.text)
	if link == nil {
		b.Fatalf("the mail has no link: %s", box.text)
	}
	if _, err := s.logged.Community.Verify(ctx, link[2], link[1]); err != nil {
		b.Fatal(err)
	}
	definitions := readDefinitions(b)
	for i := range 1000 {
		d := *definitions[i%len(definitions)]
		d.ID += strconv.Itoa(i)
		var result catalog.Result
		var err error
		if i%100 == 0 {
			result, err = s.logged.Community.Create(ctx, "macman", &d, nil)
		} else {
			result, err = s.logged.Catalog.Create(ctx, &d, nil)
		}
		if err != nil {
			b.Fatal(err)
		}
		s.ids = append(s.ids, result.Title.ID)
	}
}

// A lastMail is a Mailer that keeps the text of the last mail.
type lastMail struct{ text string }

// Send implements mail.Mailer.
func (m *lastMail) Send(_ context.Context, message mail.Message) error {
	m.text = message.Text
	return nil
}

// readDefinitions returns real definitions of up to 20 kB.
func readDefinitions(b *testing.B) (all []*patch.Definition) {
	b.Helper()
	z, err := zip.OpenReader("../../../../patch/testdata/definitions.zip")
	if err != nil {
		b.Fatal(err)
	}
	defer z.Close()
	for _, f := range z.File {
		data, err := fs.ReadFile(z, f.Name)
		if err != nil {
			b.Fatal(err)
		}
		if d, err := patch.Parse(data, nil); err == nil && len(data) <= 20_000 {
			all = append(all, d)
		}
	}
	return all
}
