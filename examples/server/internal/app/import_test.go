package app

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The definitions of the corpus are served as they were posted, also after a restart.
func TestCorpusThroughTheAPI(t *testing.T) {
	corpus := readCorpus(t)
	if len(corpus) != 150 {
		t.Fatalf("the corpus has %d definitions, want 150", len(corpus))
	}
	p := start(t, t.TempDir())
	for id, data := range corpus {
		if status, body := p.do("POST", "/api/v1/title", string(data)); status != 201 {
			t.Errorf("%s: got status %d: %s", id, status, body)
		}
	}
	check := func() {
		for id, data := range corpus {
			status, body := p.do("GET", "/jamf/v1/patch/"+id, "")
			var want, got any
			if err := json.Unmarshal(data, &want); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 {
				t.Fatalf("%s: got status %d (%v)", id, status, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: the definition differs: %s", id, diff)
			}
		}
	}
	check()
	_, list := p.do("GET", "/jamf/v1/software", "")
	if code := p.stop(); code != 0 {
		t.Errorf("got exit code %d", code)
	}
	p = start(t, p.dir)
	check()
	if _, again := p.do("GET", "/jamf/v1/software", ""); again != list {
		t.Error("the list differs after a restart")
	}
}

func TestImport(t *testing.T) {
	folder := t.TempDir()
	for id, data := range firstOf(readCorpus(t), 20) {
		writeFile(t, filepath.Join(folder, "patch_archive", id+".json"), string(data))
	}
	for name, text := range map[string]string{
		"Upper.JSON":                      definition("Upper", "1"),
		"upper-again.json":                definition("UPPER", "7"),
		"broken.json":                     "{",
		"off.json":                        strings.Replace(definition("Off", "1"), "{", `{"enabled":false,`, 1),
		"wrong.json":                      `{"id":"x"}`,
		"notes.txt":                       "not a definition",
		"__MACOSX/patch_archive/._x.json": "\x00",
		".hidden.json":                    "{",
	} {
		writeFile(t, filepath.Join(folder, name), text)
	}

	dir := t.TempDir()
	p := start(t, dir, "--import", folder)
	if status, body := p.do("GET", "/readyz", ""); status != 200 || !strings.Contains(body, `"titles":22`) {
		t.Errorf("got status %d, want 22 titles: %s", status, body)
	}
	log := p.logged()
	for _, want := range []string{
		`"imported":22`, `"rejected":3`, "off.json", "/enabled", "broken.json", "wrong.json", "/name", "/publisher",
		"another file of this import has the same id",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not contain %s: %s", want, log)
		}
	}
	for _, name := range []string{"notes.txt", "__MACOSX", ".hidden"} {
		if strings.Contains(log, name) {
			t.Errorf("the log mentions %s", name)
		}
	}
	// A second import does not change a title that was edited in between.
	if status, body := p.do("POST", "/api/v1/title/Upper/version", versionJSON("2")); status != 201 {
		t.Fatalf("got status %d: %s", status, body)
	}
	p.stop()
	p = start(t, dir, "--import", folder, "--import", filepath.Join(folder, "Upper.JSON"), "--import", corpusZip)
	if status, body := p.do("GET", "/readyz", ""); status != 200 || !strings.Contains(body, `"titles":152`) {
		t.Errorf("got status %d, want 152 titles: %s", status, body)
	}
	if log := p.logged(); !strings.Contains(log, `"existing":22`) || !strings.Contains(log, `"imported":130`) {
		t.Errorf("the log: %s", log)
	}
	if _, body := p.do("GET", "/jamf/v1/software/Upper", ""); !strings.Contains(body, `"currentVersion":"2"`) {
		t.Errorf("got %s, want version 2", body)
	}
}

// An import of a full backup skips the files that are not definitions.
func TestImportOfAFullBackup(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	p.do("POST", "/api/v1/title", definition("App", "1"))
	status, zip := p.do("GET", "/api/v1/backup?full=1", "")
	if status != 200 {
		t.Fatalf("got status %d: %s", status, zip)
	}
	file := filepath.Join(dir, "full.zip")
	writeFile(t, file, zip)
	log := start(t, t.TempDir(), "--import", file).logged()
	if !strings.Contains(log, `"files":1,"imported":1,"existing":0,"rejected":0`) {
		t.Errorf("the log: %s", log)
	}
}
