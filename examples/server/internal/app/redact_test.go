package app

import (
	"strings"
	"testing"
)

func TestRedactStore(t *testing.T) {
	for _, c := range []struct{ store, want string }{
		{"file:./data", "file:./data"},
		{"file:./a@b=c", "file:./a@b=c"},
		{"memory:", "memory:"},
		{"ftp:x", "ftp:x"},
		{"data", "data"},
		{"postgres://h/db", "postgres://h/db"},
		{"postgres://u@h:5432/db", "postgres://u@h:5432/db"},
		{"postgres://u:hunter2@h/d", "postgres://u:xxxxx@h/d"},
		{
			"postgres://u:hunter2@h1,h2/d?sslmode=require&schema=a",
			"postgres://u:xxxxx@h1,h2/d?sslmode=require&schema=a",
		},
		{"postgresql://u:hun%40ter2@h/d", "postgresql://u:xxxxx@h/d"},
		{"postgres://h/d?user=u&password=hunter2&listen=on", "postgres://h/d?user=u&password=xxxxx&listen=on"},
		{
			"postgres://h/d?PassWord=hunter2&sslpassword=hunter2",
			"postgres://h/d?PassWord=xxxxx&sslpassword=xxxxx",
		},
		{
			"postgres://h/d?pass%77ord=hunter2&passfile=/etc/pgpass",
			"postgres://h/d?pass%77ord=xxxxx&passfile=/etc/pgpass",
		},
		{"postgres://u:hunter2#x@h/d", "postgres:xxxxx"},
		{"postgres://u:hunter2/x@h/d", "postgres:xxxxx"},
		{"postgres://u:12?hunter2@h/d", "postgres:xxxxx"},
		{"postgres://u:12?x=hunter2@h/d", "postgres:xxxxx"},
		{"postgres://u:12#hunter2@h/d", "postgres:xxxxx"},
		{"postgres:u:hunter2@h/d", "postgres:xxxxx"},
		{"host=h user=u password=hunter2", "xxxxx"},
		{"host=h:5432 user=u password=hunter2", "xxxxx"},
		{"user=u password=hunter2:x", "xxxxx"},
		{"u/hunter2@h/d", "xxxxx"},
		{"postgres:host=h password=hunter2", "postgres:xxxxx"},
		{"postgres://u:hunter2@h:x/d", "postgres:xxxxx"},
		{"postgres://u:hunter%zz2@h/d", "postgres:xxxxx"},
		{
			"s3://bucket/prefix?region=eu-central-1&path_style=1",
			"s3://bucket/prefix?region=eu-central-1&path_style=1",
		},
		{"s3://b/p?endpoint=http://127.0.0.1:9000", "s3://b/p?endpoint=http://127.0.0.1:9000"},
		{
			"s3://b/p?endpoint=http://u:hunter2@h:9000&poll=500ms",
			"s3://b/p?endpoint=http://u:xxxxx@h:9000&poll=500ms",
		},
		{"s3://b/p?endpoint=http%3A%2F%2Fu%3Ahunter2%40h", "s3://b/p?endpoint=http://u:xxxxx@h"},
		{"s3://AKIA:hunter2@b/p", "s3://AKIA:xxxxx@b/p"},
		{
			"s3://b/p?access_key=hunter2&secret_access_key=hunter2",
			"s3://b/p?access_key=xxxxx&secret_access_key=xxxxx",
		},
		{
			"s3://b/p?session_token=hunter2&credentials=hunter2&region=eu",
			"s3://b/p?session_token=xxxxx&credentials=xxxxx&region=eu",
		},
	} {
		got := redactStore(c.store)
		if got != c.want {
			t.Errorf("redactStore(%q) = %q, want %q", c.store, got, c.want)
		}
		if strings.Contains(got, "hunter2") {
			t.Errorf("redactStore(%q) = %q shows a secret", c.store, got)
		}
	}
}

// A password in --store is shown neither by the log nor by an error.
func TestThePasswordOfTheStoreIsNotShown(t *testing.T) {
	for _, store := range []string{
		"postgres://u:hunter2@127.0.0.1:1/db?connect_timeout=1", "postgres://u:hunter2@h:x/d", "ftp://u:hunter2@h/",
		"s3://b/p?secret_access_key=hunter2&endpoint=http://127.0.0.1:1", "postgres:hunter2@h",
	} {
		for name, call := range map[string]func() (int, string, string){
			"flag": func() (int, string, string) { return runOnce(t, nil, "--addr", "127.0.0.1:0", "--store", store) },
			"variable": func() (int, string, string) {
				return runOnce(t, []string{"PATCHSOURCE_STORE=" + store}, "--addr", "127.0.0.1:0")
			},
		} {
			t.Chdir(t.TempDir())
			code, out, log := call()
			if code == 0 || strings.Contains(out+log, "hunter2") {
				t.Errorf("%s, --store %s: got exit code %d and a log with the password: %s", name, store, code, log)
			}
		}
	}
}
