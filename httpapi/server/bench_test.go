package server_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/store/memstore"
)

// BenchmarkAttention measures what shows an administrator the state of a server with many titles: of each hundred, one
// has warnings and one is overdue.
func BenchmarkAttention(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		s, err := server.Open(b.Context(), server.Config{Store: memstore.New()})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = s.Close() })
		token := adminToken(b, s)
		importMany(b, s, token, n)
		if err := s.Survey.Update(b.Context()); err != nil {
			b.Fatal(err)
		}
		for name, path := range map[string]string{
			"overview":        "/overview",
			"list":            "/",
			"list-warnings":   "/?q=state:warnings",
			"list-overdue":    "/?q=stale&sort=changed",
			"list-bundle":     "/?q=bundle:com.example.t00050",
			"list-search":     "/?q=example.t0005",
			"title":           "/titles/T00050",
			"api-overview":    "/api/v1/overview",
			"api-warnings":    "/api/v1/titles?state=warnings",
			"api-no-such":     "/api/v1/titles?state=stale&bundle=none",
			"api-application": "/api/v1/titles?q=t00050.app",
		} {
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					r := httptest.NewRequest("GET", path, nil)
					r.Header.Set("Accept", "text/html")
					if strings.HasPrefix(path, "/api/") {
						r.Header.Set("Authorization", "Bearer "+token)
					} else {
						r.Header.Set("Cookie", "patchsource_token="+token)
					}
					w := httptest.NewRecorder()
					if s.ServeHTTP(w, r); w.Code != 200 {
						b.Fatalf("%s has status %d: %s", path, w.Code, w.Body)
					}
				}
			})
		}
	}
}

// importMany creates n titles.
func importMany(b *testing.B, s *server.Server, token string, n int) {
	now := time.Now()
	for from := 0; from < n; from += 5000 {
		var lines strings.Builder
		for i := from; i < min(from+5000, n); i++ {
			id := fmt.Sprintf("T%05d", i)
			switch i % 100 {
			case 0:
				lines.WriteString(titleWith(id))
			case 1:
				lines.WriteString(wellMade(id, now, 100, 107, 114, 121))
			default:
				lines.WriteString(wellMade(id, now, 3, 10, 17, 24))
			}
			lines.WriteByte('\n')
		}
		w := call(s, "POST", "/api/v1/titles/import", lines.String(), bearer(token))
		if w.Code != 200 || strings.Contains(w.Body.String(), "refused") {
			b.Fatalf("status %d: %.500s", w.Code, w.Body)
		}
	}
}
