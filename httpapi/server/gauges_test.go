package server_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/metrics"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// metric returns the value of a metric of a server. name is its name without the namespace, and its labels as they are
// exported.
func metric(t *testing.T, h http.Handler, name string) float64 {
	t.Helper()
	text := call(h, "GET", "/metrics", "", nil).Body.String()
	m := regexp.MustCompile(`(?m)^patchsource_` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("the metrics do not have %s:\n%s", name, text)
	}
	value, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// expectMetric reports a metric that has another value than it should.
func expectMetric(t *testing.T, h http.Handler, name string, want float64) {
	t.Helper()
	if got := metric(t, h, name); got != want {
		t.Errorf("%s: got %v, want %v", name, got, want)
	}
}

// A sickStore has faults, and may be unreachable.
type sickStore struct {
	*memstore.Store
	away   error
	faults []store.Fault
}

func (s *sickStore) Ping(context.Context) error           { return s.away }
func (s *sickStore) Faults(context.Context) []store.Fault { return s.faults }

func TestReadyGauge(t *testing.T) {
	faults := []store.Fault{{Name: "titles/a.json", Reason: "damaged"}}
	for _, test := range []struct {
		name     string
		store    sickStore
		tolerate bool
		ready    float64
	}{
		{"a healthy store", sickStore{}, false, 1},
		{"a store that is away", sickStore{away: errors.New("the disk is gone")}, false, 0},
		{"faults", sickStore{faults: faults}, false, 0},
		{"faults that are tolerated", sickStore{faults: faults}, true, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			records := test.store
			records.Store = memstore.New()
			s := open(t, server.Config{Store: &records, TolerateFaults: test.tolerate})
			expectMetric(t, s, "ready", test.ready)
			expectMetric(t, s, "store_faults", float64(len(records.faults)))
			if got := call(s, "GET", "/readyz", "", nil).Code == 200; got != (test.ready == 1) {
				t.Errorf("/readyz says %v", got)
			}
		})
	}
}

// The metrics have the times at which the feed was read and a full backup was made.
func TestTimestampGauges(t *testing.T) {
	c := full(t)
	now := time.Unix(1.8e9, 0)
	c.Now = func() time.Time { return now }
	s := open(t, c)
	admin := bearer(adminToken(t, s))
	const read, backup = "feed_read_timestamp_seconds", "full_backup_timestamp_seconds"
	for _, quiet := range []string{"/jamf/v1/patch/Nope", "/api/v1/titles", "/", "/api/v1/backup"} {
		call(s, "GET", quiet, "", admin)
		expectMetric(t, s, read, 0)
		expectMetric(t, s, backup, 0)
	}
	call(s, "GET", "/api/v1/backup?full=1", "", nil) // refused
	expectMetric(t, s, backup, 0)
	call(s, "GET", "/jamf/v1/software", "", nil)
	expectMetric(t, s, read, 1.8e9)
	now = now.Add(time.Hour)
	if w := call(s, "GET", "/api/v1/backup?full=1", "", admin); w.Code != 200 {
		t.Fatalf("got status %d: %s", w.Code, w.Body)
	}
	expectMetric(t, s, backup, 1.8e9+3600)
	expectMetric(t, s, read, 1.8e9)
	call(s, "GET", "/software", "", nil)
	expectMetric(t, s, read, 1.8e9)
}

// What needs attention is counted once a minute.
func TestAttentionGauges(t *testing.T) {
	b := attentionBench(t)
	expectMetric(t, b.server, "titles_with_warnings", 1)
	expectMetric(t, b.server, "titles_overdue", 1)
	expectMetric(t, b.server, "tokens_expiring", 0)

	now := time.Now()
	s := open(t, server.Config{Store: memstore.New(), Now: func() time.Time { return now }})
	for _, days := range []int{20, 40} {
		grant := auth.Grant{Kind: auth.Editor, Expires: now.AddDate(0, 0, days)}
		if _, _, err := s.Tokens.Issue(t.Context(), grant); err != nil {
			t.Fatal(err)
		}
	}
	expectMetric(t, s, "tokens_expiring", 1)
	now = now.AddDate(0, 0, 15)
	expectMetric(t, s, "tokens_expiring", 2)
	now = now.AddDate(0, 0, 10)
	expectMetric(t, s, "tokens_expiring", 1)
}

// Webhooks are counted by state.
func TestWebhookGauges(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(receiver.Close)
	s := open(t, full(t))
	admin := bearer(adminToken(t, s))
	for _, more := range []string{"", `,"titles":["Other"]`, `,"enabled":false`} {
		if w := call(s, "POST", "/api/v1/webhooks", `{"url":"`+receiver.URL+`"`+more+`}`, admin); w.Code != 201 {
			t.Fatalf("got status %d: %s", w.Code, w.Body)
		}
	}
	stop := start(t, s)
	call(s, "POST", "/api/v1/title", definition("App", "1"), admin)
	waitFor(t, "a failure", func() bool { return metric(t, s, `webhooks{state="failing"}`) == 1 })
	expectMetric(t, s, `webhooks{state="ok"}`, 1)
	expectMetric(t, s, `webhooks{state="disabled"}`, 1)
	expectMetric(t, s, "webhook_deliveries_pending", 1)
	expectMetric(t, s, "webhook_deliveries_dropped", 0)
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// A program can add values of its own.
func TestGaugesOfTheProgram(t *testing.T) {
	own := metrics.Gauge{Name: "own", Help: "Own.", Value: func() float64 { return 7 }}
	expectMetric(t, open(t, server.Config{Store: memstore.New(), Gauges: []metrics.Gauge{own}}), "own", 7)
}
