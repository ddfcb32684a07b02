package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/examples/server/internal/certstore"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/store/filestore"
)

// A running describes what a server has recorded of its work.
type running struct {
	Audit      []wire.AuditEntry
	Jobs       []wire.Job
	Deliveries []wire.Delivery // that have succeeded
}

// readRunning reads what a server has recorded of its work.
func readRunning(t *testing.T, s *server) (r running) {
	t.Helper()
	read := func(path string, into any) {
		t.Helper()
		status, body := s.do("GET", path, "")
		if status != 200 || json.Unmarshal(body, into) != nil {
			t.Fatalf("%s: got status %d: %s", path, status, body)
		}
	}
	var entries wire.AuditPage
	read("/api/v1/audit?limit=1000", &entries)
	var jobs wire.JobList
	read("/api/v1/jobs", &jobs)
	for _, j := range jobs.Jobs {
		var job wire.Job
		read("/api/v1/jobs/"+j.ID, &job)
		r.Jobs = append(r.Jobs, job)
	}
	var hooks []wire.Webhook
	read("/api/v1/webhooks", &hooks)
	for _, h := range hooks {
		var list wire.DeliveryList
		read("/api/v1/webhooks/"+h.ID+"/deliveries", &list)
		for _, d := range list.Deliveries {
			if d.State == wire.DeliveryDelivered {
				r.Deliveries = append(r.Deliveries, d)
			}
		}
	}
	r.Audit = entries.Entries
	return r
}

// checkRunning checks that a server has all records of the work of a sample. It may have more.
func checkRunning(t *testing.T, s *server, sample sample) {
	t.Helper()
	got := readRunning(t, s)
	missing(t, "entry of the audit log", sample.Running.Audit, got.Audit)
	missing(t, "job", sample.Running.Jobs, got.Jobs)
	missing(t, "delivery", sample.Running.Deliveries, got.Deliveries)
}

// missing reports the values that are not among those that a server has.
func missing[T any](t *testing.T, what string, want, got []T) {
	t.Helper()
	text := func(v T) string {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	var have []string
	for _, v := range got {
		have = append(have, text(v))
	}
	for _, v := range want {
		if !slices.Contains(have, text(v)) {
			t.Errorf("the server lacks a %s: %s; it has %d: %.2000q", what, text(v), len(have), have)
		}
	}
}

// checkCertificates checks that this version can read the certificates in the data folder of a sample in dir.
func checkCertificates(t *testing.T, sample sample, dir string) {
	t.Helper()
	if len(sample.Certificates) == 0 {
		return
	}
	secret, _, err := auth.LoadSecret(filepath.Join(dir, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	records, err := filestore.Open(filepath.Join(dir, "data"), nil)
	if err != nil {
		t.Fatal(err)
	}
	certificates, err := certstore.New(records, secret.Key("certificates"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sample.Certificates {
		if got, err := certificates.Get(t.Context(), name); err != nil || string(got) != name {
			t.Errorf("the certificate of %s: got %q, %v", name, got, err)
		}
	}
	if err := records.Close(); err != nil {
		t.Error(err)
	}
}
