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
	"github.com/google/go-cmp/cmp/cmpopts"
)

// A sample describes a store of an earlier format: its tokens, and what the server answered. Tokens that expire do so
// in 2126.
type sample struct {
	Tokens      map[string]string         // by a description of the token
	Software    []map[string]any          // the list of titles
	Definitions map[string]map[string]any // by id
	Editions    map[string]int            // by id: the number of revisions in the history
	Watches     []map[string]any          // the list of watches
	Proposals   []proposal                // the list of proposals
	Drafts      map[string]map[string]any // by id of the title
	Whole       map[string]map[string]any // by id: the definition with its disabled patches
	Numbered    map[string]map[string]any // by number: the title as Title Editor's API shows it

	// The others are not part of full backups.
	Certificates []string // the names of certificates; the value of each is its name
	Running      running
}

// A proposal is what a sample says of a proposal.
type proposal struct {
	Title    string
	Versions []string
}

// Folders, full backups and databases of every format can be opened, with everything in them, including names and lists
// that the current version would reject.
func TestFormats(t *testing.T) {
	folders, err := filepath.Glob("testdata/formats/*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, folder := range folders {
		t.Run(filepath.Base(folder)+"/folder", func(t *testing.T) { testFolder(t, folder) })
		t.Run(filepath.Base(folder)+"/full backup", func(t *testing.T) { testFullBackup(t, folder) })
	}
}

// testFolder checks that the server opens the data folder of a sample.
func testFolder(t *testing.T, folder string) {
	want, dir := readSample(t, folder), t.TempDir()
	unpack(t, filepath.Join(folder, "data.tar.gz"), dir)
	checkCertificates(t, want, dir)
	s := start(t, dir, "--secret-file", filepath.Join(dir, "secret"))
	s.token = want.Tokens["administrator"]
	checkRunning(t, s, want)
	checkSample(t, s, want)
}

// testFullBackup checks that the server loads the full backup of a sample.
func testFullBackup(t *testing.T, folder string) {
	want, dir, secrets := readSample(t, folder), t.TempDir(), t.TempDir()
	unpack(t, filepath.Join(folder, "data.tar.gz"), secrets)
	backup, err := filepath.Abs(filepath.Join(folder, "full.zip"))
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, dir, "--secret-file", filepath.Join(secrets, "secret"), "--restore", backup)
	s.token = want.Tokens["administrator"]
	checkSample(t, s, want)
}

// readSample reads the sample in a folder.
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

// checkSample checks that a server serves a sample, accepts its tokens, and edits its titles.
func checkSample(t *testing.T, s *server, sample sample) {
	t.Helper()
	read := func(path string, into any) {
		t.Helper()
		status, body := s.do("GET", path, "")
		if status != 200 || json.Unmarshal(body, into) != nil {
			t.Fatalf("%s: got status %d: %s", path, status, body)
		}
	}
	var software []map[string]any
	read("/jamf/v1/software", &software)
	if diff := cmp.Diff(sample.Software, software); diff != "" {
		t.Errorf("the list of titles (-want +got):\n%s", diff)
	}
	for id, want := range sample.Definitions {
		var got map[string]any
		read("/jamf/v1/patch/"+id, &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", id, diff)
		}
		var history struct{ Editions []struct{ Number int } }
		read("/api/v1/titles/"+id+"/history", &history)
		if len(history.Editions) != sample.Editions[id] {
			t.Errorf("%s has %d revisions, want %d", id, len(history.Editions), sample.Editions[id])
		}
	}
	var feeds struct{ Watches []map[string]any }
	read("/api/v1/watches", &feeds)
	if diff := cmp.Diff(sample.Watches, feeds.Watches, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the watches (-want +got):\n%s", diff)
	}
	var waiting struct{ Proposals []proposal }
	read("/api/v1/proposals", &waiting)
	if diff := cmp.Diff(sample.Proposals, waiting.Proposals, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the proposals (-want +got):\n%s", diff)
	}
	checkDrafts(t, sample, read)
	administrator := s.token
	checkTokens(t, s, sample)
	s.token = administrator
	checkEdits(t, s, sample)
	checkRecovery(t, s, sample)
}

// checkTokens checks that the tokens of a sample are valid.
func checkTokens(t *testing.T, s *server, sample sample) {
	t.Helper()
	for name, token := range sample.Tokens {
		if strings.Contains(name, "not used") {
			continue // the first use revokes other tokens
		}
		s.token = token
		if status, body := s.do("GET", "/api/v1/token", ""); status != 200 {
			t.Errorf("the token %q is no longer valid: got status %d: %s", name, status, body)
		}
	}
}

// checkEdits edits the titles of a sample. Those with values that the current version would reject can be edited if the
// edit does not touch these values.
func checkEdits(t *testing.T, s *server, sample sample) {
	t.Helper()
	for id, definition := range sample.Definitions {
		status, body := s.do("POST", "/api/v1/title/"+id+"/version?insert=ordered", versionJSON("99.9"))
		if id == "Followed" || id == "Source" {
			if status != 403 {
				t.Errorf("a version of %s, which follows a source: got status %d, want 403: %s", id, status, body)
			}
			continue
		}
		if status != 201 {
			t.Errorf("a version of %s: got status %d: %s", id, status, body)
		}
		definition["publisher"] = "Another"
		if id == "Odd" {
			delete(definition, "publisher")
			definition["publisher"] = "P\x1b\u2028" // unchanged
			definition["appName"] = "Another.app"
		}
		put, err := json.Marshal(definition)
		if err != nil {
			t.Fatal(err)
		}
		if status, body := s.do("PUT", "/api/v1/title/"+id, string(put)); status != 200 {
			t.Errorf("replacing %s: got status %d: %s", id, status, body)
		}
	}
}

// checkRecovery checks that the first use of a recovery token revokes the author's earlier tokens, except those that an
// administrator made.
func checkRecovery(t *testing.T, s *server, sample sample) {
	t.Helper()
	s.token = sample.Tokens["reset, not used yet"]
	if status, body := s.do("GET", "/api/v1/token", ""); status != 200 {
		t.Fatalf("the mailed token: got status %d: %s", status, body)
	}
	for name, status := range map[string]int{
		"author": 401, "made by author": 401, "exchanged": 401, "made by administrator": 200, "contributor": 200,
	} {
		s.token = sample.Tokens[name]
		if got, body := s.do("GET", "/api/v1/token", ""); got != status {
			t.Errorf("after the recovery, the token %q: got status %d, want %d: %s", name, got, status, body)
		}
	}
}

// checkDrafts checks what a sample has of drafts, disabled patches and numbers, which read reads.
func checkDrafts(t *testing.T, sample sample, read func(path string, into any)) {
	t.Helper()
	var drafts struct{ Drafts []struct{ ID string } }
	read("/api/v1/drafts", &drafts)
	if len(drafts.Drafts) != len(sample.Drafts) {
		t.Errorf("there are the drafts %v, want %d", drafts.Drafts, len(sample.Drafts))
	}
	for id, want := range sample.Drafts {
		var got struct{ Definition map[string]any }
		read("/api/v1/titles/"+id+"/draft", &got)
		if diff := cmp.Diff(want, got.Definition); diff != "" {
			t.Errorf("the draft of %s (-want +got):\n%s", id, diff)
		}
	}
	for id, want := range sample.Whole {
		var got map[string]any
		read("/api/v1/titles/"+id+"?disabled=1", &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s with its disabled patches (-want +got):\n%s", id, diff)
		}
	}
	for number, want := range sample.Numbered {
		var got map[string]any
		read("/v2/softwaretitles/"+number, &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the title with the number %s (-want +got):\n%s", number, diff)
		}
	}
}

// unpack unpacks a trusted .tar.gz into dir.
func unpack(t *testing.T, name, dir string) {
	t.Helper()
	for name, data := range readArchive(t, name) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if err == nil {
			err = os.WriteFile(path, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// readArchive returns the files in a trusted .tar.gz.
func readArchive(t *testing.T, name string) map[string][]byte {
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
	files := map[string][]byte{}
	for members := tar.NewReader(z); ; {
		m, err := members.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[m.Name], err = io.ReadAll(members); err != nil {
			t.Fatal(err)
		}
	}
}
