//go:build unix

package main

import (
	"archive/zip"
	"bytes"
	"database/sql"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/examples/internal/trial"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/filestore"
	"github.com/patchsource/patchsource/store/s3store/s3storetest"
	"github.com/patchsource/patchsource/store/sqlstore/sqlstoretest"
)

const newestSample = "testdata/formats/5"

// A newerStore is a store of a version that does not exist yet.
type newerStore struct {
	args  []string
	files func() map[string]string // what the store has
}

// Every way in refuses what a newer version has written, with a sentence that names both versions and says what to do.
// It changes nothing, so that the newer version can be started again.
func TestNewerFormatsAreRefused(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "access")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret-of-a-test")
	for _, c := range []struct {
		name  string
		make  func(t *testing.T, dir string) newerStore
		parts []string // of the sentence
	}{
		{"folder", newerFolder, []string{"have format 99", "up to 5", "start the newer version", "backup made before"}},
		{"journal", newerJournal, []string{"version 99", "up to 1", "start the newer version", "backup made before"}},
		{"copy of a folder", newerCopy,
			[]string{"have format 99", "up to 5", "start the newer version", "backup made before"}},
		{"full backup", newerBackup, []string{"has format 99", "up to 5", "load it with the version that made it"}},
		{"PostgreSQL", newerMarkerInDatabase,
			[]string{"have format 99", "up to 5", "start the newer version", "backup made before"}},
		{"schema of PostgreSQL", newerSchema,
			[]string{"has version 99", "up to 1", "start the newer version", "backup made before"}},
		{"S3", newerMarkerInBucket,
			[]string{"have format 99", "up to 5", "start the newer version", "backup made before"}},
		{"layout of S3", newerLayout,
			[]string{"have layout 99", "up to 1", "start the newer version", "backup made before"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			unpack(t, filepath.Join(newestSample, "data.tar.gz"), dir)
			newer := c.make(t, dir)
			before := newer.files()
			out, ok := run(t, dir, newer.args...)
			if ok {
				t.Fatalf("the server has started, or copied: %s", out)
			}
			for _, part := range c.parts {
				if !strings.Contains(out, part) {
					t.Errorf("the error does not say %q: %s", part, out)
				}
			}
			if diff := cmp.Diff(before, newer.files()); diff != "" {
				t.Errorf("the store was changed (-before +after):\n%s", diff)
			}
		})
	}
}

// run runs the server, which must exit by itself, and returns its output and whether it succeeded.
func run(t *testing.T, dir string, args ...string) (output string, ok bool) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, append([]string{"--addr", "127.0.0.1:0", "--secret-file", filepath.Join(dir, "secret"),
		"--admin-token-file", filepath.Join(dir, "data.admin-token"), "--no-community"}, args...)...)
	cmd.Env = append(trial.Environ(), bucketEnvironment...)
	timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// filesOf returns a function that reads the files of a folder.
func filesOf(t *testing.T, dir string) func() map[string]string {
	return func() map[string]string {
		files := readFolder(t, dir)
		delete(files, ".lock") // names the process that has the folder
		return textsOf(files)
	}
}

// textsOf returns values as strings, which differences show better.
func textsOf(values map[string][]byte) map[string]string {
	texts := map[string]string{}
	for name, data := range values {
		texts[name] = string(data)
	}
	return texts
}

// newerFolder has a newer format marker.
func newerFolder(t *testing.T, dir string) newerStore {
	data := filepath.Join(dir, "data")
	records, err := filestore.Open(data, nil)
	if err == nil {
		_, err = records.Put(t.Context(), store.Key{Kind: "config", ID: "format"}, []byte(`{"format":99}`),
			store.Condition{})
	}
	if err == nil {
		err = records.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return newerStore{[]string{"--store", "file:" + data}, filesOf(t, data)}
}

// newerJournal has a journal of a newer version.
func newerJournal(t *testing.T, dir string) newerStore {
	data := filepath.Join(dir, "data")
	name := filepath.Join(data, ".journal", "000000000099-abc.v99")
	if err := os.WriteFile(name, []byte("newer"), 0o600); err != nil {
		t.Fatal(err)
	}
	return newerStore{[]string{"--store", "file:" + data}, filesOf(t, data)}
}

// newerCopy copies from a folder with a newer format marker.
func newerCopy(t *testing.T, dir string) newerStore {
	n := newerFolder(t, dir)
	n.args = []string{"--copy-from", "file:" + filepath.Join(dir, "data"), "--store", "file:" + t.TempDir()}
	return n
}

// newerBackup is a full backup with a newer format, for an empty folder.
func newerBackup(t *testing.T, dir string) newerStore {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	old, err := zip.OpenReader(filepath.Join(newestSample, "full.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	for _, f := range old.File {
		if strings.HasSuffix(f.Name, "format.json") {
			w, err := z.Create(f.Name)
			if err == nil {
				_, err = w.Write([]byte(`{"format":99}`))
			}
			if err != nil {
				t.Fatal(err)
			}
		} else if err := z.Copy(f); err != nil {
			t.Fatal(err)
		}
	}
	backup, target := filepath.Join(dir, "newer.zip"), t.TempDir()
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(backup, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return newerStore{[]string{"--store", "file:" + target, "--restore", backup}, func() map[string]string {
		files := filesOf(t, target)()
		delete(files, "config/format.json") // a new folder has one
		maps.DeleteFunc(files, func(name, _ string) bool { return strings.HasPrefix(name, ".") })
		return files
	}}
}

// newerDatabase is a database that a statement has changed.
func newerDatabase(t *testing.T, statement string) newerStore {
	s := sqlstoretest.Require(t, "fsync=off")
	loadDatabase(t, s, newestSample)
	db, err := sql.Open("pgx", s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
	return newerStore{[]string{"--store", databaseStore(s, newestSample)}, func() map[string]string {
		return map[string]string{"database": dumpDatabase(t, s)}
	}}
}

// newerMarkerInDatabase has a newer format marker.
func newerMarkerInDatabase(t *testing.T, _ string) newerStore {
	return newerDatabase(t, `UPDATE `+sampleSchema(newestSample)+`.records SET value = '{"format":99}'
		WHERE kind = 'config' AND id = 'format'`)
}

// newerSchema has a newer version of the schema.
func newerSchema(t *testing.T, _ string) newerStore {
	return newerDatabase(t, `UPDATE `+sampleSchema(newestSample)+`.meta SET version = 99`)
}

// newerBucket is a bucket with an object in whose value a text is replaced.
func newerBucket(t *testing.T, name, old, replaced string) newerStore {
	s := s3storetest.Require(t)
	objects := readArchive(t, filepath.Join(newestSample, "objects.tar.gz"))
	name = sampleSchema(newestSample) + "/" + name
	_, value, ok := bytes.Cut(objects[name], []byte("\n")) // an object is a line with a checksum, and the value
	if !ok || !bytes.Contains(value, []byte(old)) {
		t.Fatalf("the object %s does not have %s: %.200s", name, old, objects[name])
	}
	value = bytes.Replace(value, []byte(old), []byte(replaced), 1)
	sum := crc32.Checksum(value, crc32.MakeTable(crc32.Castagnoli))
	head := fmt.Sprintf(`{"nonce":"another","crc32c":"%08x","id":%q}`, sum, filepath.Base(name))
	objects[name] = slices.Concat([]byte(head+"\n"), value)
	putObjects(t, s, objects)
	return newerStore{[]string{"--store", bucketStore(s, newestSample)}, func() map[string]string {
		return textsOf(dumpBucket(t, s))
	}}
}

// newerMarkerInBucket has a newer format marker.
func newerMarkerInBucket(t *testing.T, _ string) newerStore {
	return newerBucket(t, "config/format", `{"format":5}`, `{"format":99}`)
}

// newerLayout has a head with a newer layout.
func newerLayout(t *testing.T, _ string) newerStore {
	return newerBucket(t, "_head", `"layout":1`, `"layout":99`)
}
