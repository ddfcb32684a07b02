package app

import (
	"context"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/dump"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/store/s3store/s3storetest"
	"github.com/patchsource/patchsource/store/sqlstore/sqlstoretest"
)

// postgresStore starts PostgreSQL and returns a value of --store for it, to which the name of a schema is appended. It
// skips the test if PostgreSQL is missing.
func postgresStore(t *testing.T) string {
	t.Helper()
	srv := sqlstoretest.Require(t, "fsync=off")
	host := url.QueryEscape(filepath.Dir(srv.Socket()))
	return "postgres://postgres@/postgres?host=" + host + "&sslmode=disable&schema="
}

// s3Store starts an S3 server, sets credentials, and returns a client and a function that returns the value of --store
// for a prefix. It skips the test if the server is missing.
func s3Store(t *testing.T) (client *s3.Client, name func(prefix string) string) {
	t.Helper()
	srv := s3storetest.Require(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "access")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret-of-a-test")
	return srv.Client(), func(prefix string) string {
		return "s3://" + s3storetest.Bucket + "/" + prefix + "?endpoint=" + srv.Endpoint() + "&path_style=1&poll=100ms"
	}
}

func TestInvalidStores(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	writeFile(t, file, "one\ntwo\n")
	for _, c := range []struct {
		name, want string
		more       []string
	}{
		{"mysql://h/d", "--store mysql://h/d: it must be file: and a folder", nil},
		{"postgres:db", "--store postgres:db: it is not a valid URL", nil},
		{"postgres://h/d?listen=perhaps", "listen=perhaps: it must be on or off", nil},
		{"postgres://h/d?pool_max_conns=2", "pool_max_conns=2: it must be a number of at least 3", nil},
		{"postgres://h/d?schema=a&schema=b", "the parameter schema is given twice", nil},
		{"postgres://h/d?sslmode=perhaps", "sslmode", nil},
		{"postgres://h/d", "--store-password-file", []string{"--store-password-file", file + "-missing"}},
		{"postgres://h/d", "it must contain one line", []string{"--store-password-file", file}},
		{"file:./data", "--store-password-file is for --store postgres://", []string{"--store-password-file", file}},
		{"s3:bucket", "--store s3:bucket: it is not a valid URL", nil},
		{"s3:///prefix", "it must be s3://bucket/prefix", nil},
		{"s3://b:9000/prefix", "set by endpoint=http://host:port", nil},
		{"s3://b/p?endpoint=h:9000", "endpoint: it must be a URL", nil},
		{"s3://b/p?path_style=perhaps", "path_style=perhaps: it must be on or off", nil},
		{"s3://b/p?poll=1h", "poll=1h: it must be a duration from 50ms to 1s", nil},
		{"s3://b/p?lease=-1s", "lease=-1s: it must be a duration from 10s to 10m0s", nil},
		{"postgres://h/d?lease=soon", "lease=soon: it must be a duration from 10s to 10m0s", nil},
		{"s3://b/p?pol=1s", "there is no parameter pol:", nil},
		{"s3://b/p?secret_access_key=hunter2", "it must not contain credentials", nil},
		{"s3://AKIA:hunter2@b/p", "it must not contain credentials", nil},
		{"s3://b/p?endpoint=http://u:hunter2@h", "it must not contain credentials", nil},
		{"file:./data", "--import s3://b?x=1: there is no parameter x", []string{"--import", "s3://b?x=1"}},
		{"file:./data", "--copy-from nowhere: it must be file:", []string{"--copy-from", "nowhere"}},
		{"file:./data", "--copy-from memory: it is empty", []string{"--copy-from", "memory:"}},
		{"file:./data", "omit --restore", []string{"--copy-from", "file:./a", "--restore", "b"}},
		{"memory:", "a store other than memory:", []string{"--copy-from", "file:./a"}},
	} {
		code, out, log := runOnce(t, nil, append([]string{"--store", c.name}, c.more...)...)
		if code != 2 || !strings.Contains(log, c.want) || strings.Contains(out+log, "hunter2") {
			t.Errorf("--store %s %s: got exit code %d: %s, want %s", c.name, c.more, code, log, c.want)
		}
	}
}

// A store that cannot be opened is an error that names the flag.
func TestUnreachableStores(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("AWS_ACCESS_KEY_ID", "access")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	for _, name := range []string{
		"postgres://u:hunter2@127.0.0.1:1/d?connect_timeout=1", "s3://b/p?endpoint=http://127.0.0.1:1&path_style=1",
	} {
		code, _, log := runOnce(t, nil, "--addr", "127.0.0.1:0", "--store", name)
		if code != 1 || !strings.Contains(log, "--store "+redactStore(name)) || strings.Contains(log, "hunter2") {
			t.Errorf("--store %s: got exit code %d: %s", name, code, log)
		}
	}
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	for _, variable := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"} {
		t.Setenv(variable, "")
	}
	_, _, log := runOnce(t, nil, "--addr", "127.0.0.1:0", "--store", "s3://b/p")
	if !strings.Contains(log, "AWS_REGION") {
		t.Errorf("without a region: %s", log)
	}
}

func TestParsePostgres(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	writeFile(t, file, "from the file\n")
	t.Setenv("PGPASSWORD", "from the environment")
	spec, err := parsePostgres("postgres://u@h:5433/d?schema=a&listen=off&pool_max_conns=7&sslmode=disable", "")
	if err != nil {
		t.Fatal(err)
	}
	check := func(spec *postgresSpec, want []any) {
		c := spec.conn
		got := []any{
			spec.schema, spec.listen, spec.conns, c.Password, c.ConnectTimeout, c.RuntimeParams["application_name"],
		}
		if !slices.Equal(got, want) || c.Host != "h" || c.User != "u" || c.Database != "d" {
			t.Errorf("got %v and %+v, want %v", got, c.Config, want)
		}
	}
	check(spec, []any{"a", false, 7, "from the environment", connectTimeout, "patchsource"})
	spec, err = parsePostgres("postgres://u:x@h/d?application_name=a&connect_timeout=3", file)
	if err != nil {
		t.Fatal(err)
	}
	check(spec, []any{"", true, defaultPoolConns, "from the file", 3 * time.Second, "a"})
}

// The lease of the store's URL reaches the configuration of the server.
func TestLease(t *testing.T) {
	for name, want := range map[string]time.Duration{
		"s3://b/p?lease=2m": 2 * time.Minute, "postgres://u@h/d?schema=a&lease=45s": 45 * time.Second,
		"s3://b/p": 0, "memory:": 0,
	} {
		f := &flags{Store: name}
		if storeScheme(name) != "" {
			if err := f.checkSharedStore(name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		c, err := f.config(nil, "", slog.New(slog.DiscardHandler))
		if err != nil || c.Lease != want {
			t.Errorf("%s: the lease is %v, %v, want %v", name, c.Lease, err, want)
		}
	}
}

// runCommand runs a command of the server that ends by itself.
func runCommand(t *testing.T, args ...string) (code int, log string) {
	t.Helper()
	code, _, log = runOnce(t, nil, args...)
	return code, log
}

// fill makes a store in a folder with titles, history, a token, a webhook and a pending delivery. It returns what the
// feed has.
func fill(t *testing.T, dir string) (list string) {
	t.Helper()
	p := start(t, dir, "--allow-private-networks")
	for _, id := range []string{"One", "Two", "Three-3.x"} {
		p.do("POST", "/api/v1/title", definition(id, "1"))
		status, body := p.do("POST", "/api/v1/title/"+url.PathEscape(id)+"/version", versionJSON("2"))
		if status != 201 {
			t.Fatalf("got status %d: %s", status, body)
		}
	}
	for path, body := range map[string]string{
		"/api/v1/webhooks": `{"url":"http://127.0.0.1:1/"}`, "/api/v1/tokens": `{"titles_in_scope":["One"]}`,
	} {
		if status, answer := p.do("POST", path, body); status != 201 {
			t.Fatalf("%s: got status %d: %s", path, status, answer)
		}
	}
	p.do("POST", "/api/v1/title/One/version", versionJSON("3"))
	// A revision that differs much from the next one has a record of its own.
	large := strings.Repeat(`{"name":"Application Title","operator":"is","value":"`+strings.Repeat("v", 100)+
		`","type":"recon","and":true},`, 500)
	for _, criteria := range []string{large, ""} {
		body := strings.Replace(definition("Two", "2"), `"requirements":[`, `"requirements":[`+criteria, 1)
		if status, answer := p.do("PUT", "/api/v1/title/Two", body); status != 200 {
			t.Fatalf("got status %d: %.300s", status, answer)
		}
	}
	_, list = p.do("GET", "/jamf/v1/software", "")
	if code := p.stop(); code != 0 {
		t.Fatalf("got exit code %d: %s", code, p.logged())
	}
	return list
}

// records returns all records of a store but leases, by their keys.
func records(t *testing.T, name string) map[string]string {
	t.Helper()
	s, err := (&flags{}).openStore(t.Context(), name, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, kind := range copyKinds {
		for r, err := range s.List(t.Context(), kind) {
			if err != nil {
				t.Fatal(err)
			}
			all[r.Key.String()] = string(r.Value)
		}
	}
	if err := closeStore(s); err != nil {
		t.Error(err)
	}
	return all
}

// A store is copied from a folder to PostgreSQL, to S3 and back. All records are equal, and a server over each of them
// serves the same.
func TestCopyStores(t *testing.T) {
	postgres := postgresStore(t) + "copied"
	_, bucket := s3Store(t)
	dir := t.TempDir()
	list := fill(t, dir)
	names := []string{"file:" + dir + "/data", postgres, bucket("copied"), "file:" + dir + "/again/data"}
	want := records(t, names[0])
	kinds := map[string]bool{}
	for key := range want {
		kind, _, _ := strings.Cut(key, "/")
		kinds[kind] = true
	}
	if len(want) < 11 || !kinds["history"] {
		t.Fatalf("the store has %d records: %.5000v", len(want), want)
	}
	for i, to := range names[1:] {
		code, log := runCommand(t, "--copy-from", names[i], "--store", to)
		if code != 0 || !strings.Contains(log, "copied and compared all records") {
			t.Fatalf("copy to %s: got exit code %d: %s", to, code, log)
		}
		got := records(t, to)
		if len(got) != len(want) {
			t.Errorf("%s has %d records, want %d", to, len(got), len(want))
		}
		for key, value := range want {
			if got[key] != value {
				t.Errorf("%s: record %s is %q, want %q", to, key, got[key], value)
			}
		}
		if code, log := runCommand(t, "--copy-from", names[i], "--store", to); code != 1 ||
			!strings.Contains(log, "the store is not empty") {
			t.Errorf("copy to %s again: got exit code %d: %s", to, code, log)
		}
	}
	for _, name := range names[1:] {
		p := start(t, dir, "--store", name, "--secret-file", dir+"/data.secret",
			"--admin-token-file", dir+"/data.admin-token")
		if _, got := p.do("GET", "/jamf/v1/software", ""); got != list {
			t.Errorf("%s serves %s, want %s", name, got, list)
		}
		if code := p.stop(); code != 0 {
			t.Errorf("%s: got exit code %d: %s", name, code, p.logged())
		}
	}
}

// A copy that was interrupted is begun again, and no server starts before.
func TestCopyAfterAnInterruption(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir)
	from, to := "file:"+dir+"/data", "file:"+dir+"/to/data"
	s, err := (&flags{}).openStore(t.Context(), to, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []store.Key{loadingKey, {Kind: "titles", ID: "leftover"}} {
		if _, err := s.Put(t.Context(), key, []byte("{}"), store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := closeStore(s); err != nil {
		t.Fatal(err)
	}
	if code, log := runCommand(t, "--addr", "127.0.0.1:0", "--store", to); code != 1 ||
		!strings.Contains(log, "--copy-from") {
		t.Errorf("a server over half a copy: got exit code %d: %s", code, log)
	}
	if code, log := runCommand(t, "--copy-from", to, "--store", "file:"+dir+"/third/data"); code != 1 ||
		!strings.Contains(log, "the source is incomplete") {
		t.Errorf("a copy of half a copy: got exit code %d: %s", code, log)
	}
	if code, log := runCommand(t, "--copy-from", from, "--store", to); code != 0 {
		t.Fatalf("the copy: got exit code %d: %s", code, log)
	}
	if got, want := records(t, to), records(t, from); len(got) != len(want) || got["titles/leftover"] != "" {
		t.Errorf("got the records %v, want %v", got, want)
	}
	if code, log := runCommand(t, "--copy-from", "file:"+dir+"/missing", "--store", "file:"+dir+"/x/data"); code != 1 ||
		!strings.Contains(log, "no such file") {
		t.Errorf("a copy of a missing folder: got exit code %d: %s", code, log)
	}
	if _, err := os.Stat(dir + "/missing"); err == nil {
		t.Error("the copy created the missing folder")
	}
}

// A store that a running server uses is not copied.
func TestCopyOfAUsedStore(t *testing.T) {
	postgres, dir := postgresStore(t), t.TempDir()
	p := start(t, dir, "--store", postgres+"used", "--secret-file", dir+"/data.secret",
		"--admin-token-file", dir+"/data.admin-token")
	waitFor(t, "a leader", func() bool { return strings.Contains(p.logged(), "elected leader") })
	ctx, cancel := context.WithTimeout(t.Context(), 4*leaseWatch)
	defer cancel()
	var log strings.Builder
	code := Run(ctx, []string{"--copy-from", postgres + "used", "--store", postgres + "other"}, nil, &log, &log)
	if code != 1 || !strings.Contains(log.String(), "a server uses the source") {
		t.Errorf("got exit code %d: %s", code, log.String())
	}
}

// A full backup of a server over a folder is loaded into the stores that servers share, and a backup of those into
// another folder.
func TestMoveByBackup(t *testing.T) {
	postgres := postgresStore(t) + "moved"
	_, bucket := s3Store(t)
	dir := t.TempDir()
	list := fill(t, dir)
	p := start(t, dir)
	for i, to := range []string{postgres, bucket("moved"), "file:" + dir + "/moved/data"} {
		status, zip := p.do("GET", "/api/v1/backup?full=1", "")
		if status != 200 {
			t.Fatalf("the backup for %s: got status %d: %s", to, status, zip)
		}
		p.stop()
		file := filepath.Join(dir, "full.zip")
		writeFile(t, file, zip)
		p = start(t, dir, "--store", to, "--restore", file, "--secret-file", dir+"/data.secret",
			"--admin-token-file", dir+"/data.admin-token")
		if _, got := p.do("GET", "/jamf/v1/software", ""); got != list {
			t.Errorf("%d: %s serves %s, want %s", i, to, got, list)
		}
	}
}

// The definitions in a bucket are imported, as Stupid Simple Patch Server kept them.
func TestImportFromABucket(t *testing.T) {
	client, bucket := s3Store(t)
	for name, text := range map[string]string{
		"old/One.json": definition("One", "1"), "old/sub/Two.JSON": definition("Two", "1"), "old/Broken.json": "{",
		"old/.hidden/Three.json": definition("Three", "1"), "old/notes.txt": "x", "older.json": definition("Four", "1"),
	} {
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: aws.String(s3storetest.Bucket), Key: &name, Body: strings.NewReader(text),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	p := start(t, dir, "--import", bucket("old"))
	_, list := p.do("GET", "/jamf/v1/software", "")
	for id, want := range map[string]bool{"One": true, "Two": true, "Three": false, "Four": false} {
		if strings.Contains(list, `"`+id+`"`) != want {
			t.Errorf("%s is imported: %v, want %v", id, !want, want)
		}
	}
	if log := p.logged(); !strings.Contains(log, `"imported":2`) || !strings.Contains(log, `"rejected":1`) ||
		!strings.Contains(log, "Broken.json") {
		t.Errorf("the log: %s", log)
	}
}

// A copy of an empty store fails and leaves a store that a server can use.
func TestCopyOfAnEmptyStore(t *testing.T) {
	from, to := memstore.New(), memstore.New()
	c := &storeCopy{from: struct{ store.Store }{from}, to: to, log: slog.New(slog.DiscardHandler)}
	if err := c.run(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing to copy") {
		t.Errorf("got %v", err)
	}
	if err := dump.CheckLoaded(t.Context(), to); err != nil {
		t.Errorf("the target afterwards: %v", err)
	}
}
