//go:build unix

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/examples/server/internal/certstore"
	patchsource "github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/store/filestore"
)

// sampleName is the name of a sample to keep. CONTRIBUTING.md says when to make one.
var sampleName = flag.String("make-sample", "", "keep a sample of a store of this version as testdata/formats/`NAME`")

const (
	// firstSample is the sample to which makers add what later versions store. It has everything until format 5.
	firstSample = "testdata/formats/5"
	// sampleAhead is how far the clock is ahead while a sample is made: tokens, jobs and entries of the audit log are
	// then kept for a hundred years.
	sampleAhead = 99 * 365 * 24 * time.Hour
	// sampleCertificate is the name, and the value, of a certificate in a sample.
	sampleCertificate = "patches.example.com"
)

// This version makes a sample of its store, with everything that it stores, and opens it.
func TestMakeSample(t *testing.T) {
	folder := t.TempDir()
	if *sampleName != "" {
		folder = filepath.Join("testdata/formats", *sampleName)
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatalf("%v: a sample is never replaced, choose another name", err)
		}
	}
	makeSample(t, folder)
	if *sampleName != "" {
		copySample(t, folder)
	}
	t.Run("folder", func(t *testing.T) { testFolder(t, folder) })
	t.Run("full backup", func(t *testing.T) { testFullBackup(t, folder) })
}

// makeSample writes a sample into a folder: data.tar.gz, full.zip and expect.json.
func makeSample(t *testing.T, folder string) {
	t.Helper()
	dir := t.TempDir()
	unpack(t, filepath.Join(firstSample, "data.tar.gz"), dir)
	secret, _, err := auth.LoadSecret(filepath.Join(dir, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	records, err := filestore.Open(filepath.Join(dir, "data"), nil)
	if err != nil {
		t.Fatal(err)
	}
	certificates, err := certstore.New(records, secret.Key("certificates"), nil)
	if err == nil {
		err = certificates.Put(t.Context(), sampleCertificate, []byte(sampleCertificate))
	}
	if err != nil {
		t.Fatal(err)
	}
	m := &maker{t: t, want: readSample(t, firstSample)}
	s, err := patchsource.Open(t.Context(), patchsource.Config{
		Store:                records,
		Secret:               secret,
		Mailer:               m,
		AllowPrivateNetworks: true,
		Limits:               patchsource.Limits{Requests: -1, Mails: -1},
		Now:                  func() time.Time { return time.Now().Add(sampleAhead) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	front := httptest.NewServer(s)
	m.server = &server{url: front.URL, token: m.want.Tokens["administrator"], client: front.Client()}
	m.change()
	m.expect()
	backup := m.get("/api/v1/backup?full=1")
	front.Close()
	cancel()
	for _, err := range []error{<-ended, s.Close(), records.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	expect, err := json.Marshal(m.want)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"expect.json": append(expect, '\n'), "full.zip": backup, "data.tar.gz": pack(t, readFolder(t, dir)),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// readFolder returns the files in dir.
func readFolder(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// pack returns a .tar.gz of files.
func pack(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	members := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		err := members.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(files[name]))})
		if err == nil {
			_, err = members.Write(files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(members.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
