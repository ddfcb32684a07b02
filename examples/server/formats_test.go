package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A sample is what a server of one format has kept, and what it answered. Tokens that end do so in 2126.
type sample struct {
	Tokens      map[string]string         // by what each is
	Software    []map[string]any          // the list of titles
	Definitions map[string]map[string]any // by id
	Editions    map[string]int            // by id: how many its history has
}

// Folders and full backups of every format open, with everything that is in them: also names and lists that are refused
// today.
func TestFormats(t *testing.T) {
	folders, err := filepath.Glob("testdata/formats/*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, folder := range folders {
		t.Run(filepath.Base(folder)+"/folder", func(t *testing.T) {
			want, dir := readSample(t, folder), t.TempDir()
			unpack(t, filepath.Join(folder, "data.tar.gz"), dir)
			s := start(t, dir, "--secret-file", filepath.Join(dir, "secret"))
			s.token = want.Tokens["administrator"]
			checkSample(t, s, want)
		})
		t.Run(filepath.Base(folder)+"/full backup", func(t *testing.T) {
			want, dir, secrets := readSample(t, folder), t.TempDir(), t.TempDir()
			unpack(t, filepath.Join(folder, "data.tar.gz"), secrets)
			backup, err := filepath.Abs(filepath.Join(folder, "full.zip"))
			if err != nil {
				t.Fatal(err)
			}
			s := start(t, dir, "--secret-file", filepath.Join(secrets, "secret"), "--restore", backup)
			s.token = want.Tokens["administrator"]
			checkSample(t, s, want)
		})
	}
}

func readSample(t *testing.T, folder string) (want sample) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, "expect.json"))
	if err == nil {
		err = json.Unmarshal(data, &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	return want
}

func checkSample(t *testing.T, s *server, want sample) {
	t.Helper()
	read := func(path string, into any) {
		t.Helper()
		status, body := s.do("GET", path, "")
		if status != 200 || json.Unmarshal(body, into) != nil {
			t.Fatalf("%s: %d %s", path, status, body)
		}
	}
	var software []map[string]any
	read("/jamf/v1/software", &software)
	if diff := cmp.Diff(want.Software, software); diff != "" {
		t.Errorf("the list of titles (-then +now):\n%s", diff)
	}
	for id, then := range want.Definitions {
		var now map[string]any
		read("/jamf/v1/patch/"+id, &now)
		if diff := cmp.Diff(then, now); diff != "" {
			t.Errorf("%s (-then +now):\n%s", id, diff)
		}
		var history struct{ Editions []struct{ Number int } }
		read("/api/v1/titles/"+id+"/history", &history)
		if len(history.Editions) != want.Editions[id] {
			t.Errorf("%s has %d editions, and had %d", id, len(history.Editions), want.Editions[id])
		}
	}
	administrator := s.token
	for name, token := range want.Tokens {
		if strings.Contains(name, "not used") {
			continue // using it ends others
		}
		s.token = token
		if status, body := s.do("GET", "/api/v1/token", ""); status != 200 {
			t.Errorf("the token %q is not good any more: %d %s", name, status, body)
		}
	}
	s.token = administrator
	// What a newer rule would refuse stays editable where it is not touched.
	for id, definition := range want.Definitions {
		status, body := s.do("POST", "/api/v1/title/"+id+"/version?insert=ordered", versionJSON("99.9"))
		if id == "Followed" {
			if status != 403 {
				t.Errorf("%s follows a source: %d %s", id, status, body)
			}
			continue
		}
		if status != 201 {
			t.Errorf("a version is not added to %s: %d %s", id, status, body)
		}
		definition["publisher"] = "Another"
		if id == "Odd" {
			delete(definition, "publisher")
			definition["publisher"] = "P\x1b\u2028" // as it is
			definition["appName"] = "Another.app"
		}
		put, err := json.Marshal(definition)
		if err != nil {
			t.Fatal(err)
		}
		if status, body := s.do("PUT", "/api/v1/title/"+id, string(put)); status != 200 {
			t.Errorf("%s is not replaced: %d %s", id, status, body)
		}
	}
	// A recovery ends what was made before it, but for what an administrator has made.
	s.token = want.Tokens["reset, not used yet"]
	if status, body := s.do("GET", "/api/v1/token", ""); status != 200 {
		t.Fatalf("the token that was mailed: %d %s", status, body)
	}
	for name, status := range map[string]int{"author": 401, "made by author": 401, "exchanged": 401, "made by administrator": 200, "contributor": 200} {
		s.token = want.Tokens[name]
		if got, body := s.do("GET", "/api/v1/token", ""); got != status {
			t.Errorf("after a recovery, the token %q: %d %s, want %d", name, got, body, status)
		}
	}
}

// unpack unpacks a .tar.gz of ours into dir.
func unpack(t *testing.T, name, dir string) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for members := tar.NewReader(z); ; {
		m, err := members.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(m.Name))
		data, err := io.ReadAll(members)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o700)
		}
		if err == nil {
			err = os.WriteFile(path, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
