//go:build unix

package main

import (
	"path/filepath"
	"testing"

	"github.com/patchsource/patchsource/store/s3store/s3storetest"
	"github.com/patchsource/patchsource/store/sqlstore/sqlstoretest"
)

// Databases and buckets of every format can be opened, with everything in them. The schema of the databases has had
// one version so far.
func TestFormatsOfSharedStores(t *testing.T) {
	folders, err := filepath.Glob("testdata/formats/*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	t.Run("PostgreSQL", func(t *testing.T) {
		database := sqlstoretest.Require(t, "fsync=off")
		for _, folder := range folders {
			t.Run(filepath.Base(folder), func(t *testing.T) {
				loadDatabase(t, database, folder)
				testShare(t, folder, databaseStore(database, folder))
			})
		}
	})
	t.Run("S3", func(t *testing.T) {
		bucket := s3storetest.Require(t)
		t.Setenv("AWS_ACCESS_KEY_ID", "access")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "secret-of-a-test")
		for _, folder := range folders {
			t.Run(filepath.Base(folder), func(t *testing.T) {
				loadBucket(t, bucket, folder)
				testShare(t, folder, bucketStore(bucket, folder))
			})
		}
	})
}

// testShare checks that the server opens the store of a sample.
func testShare(t *testing.T, folder, name string) {
	t.Helper()
	want, dir := readSample(t, folder), t.TempDir()
	unpack(t, filepath.Join(folder, "data.tar.gz"), dir)
	s := start(t, dir, "--store", name, "--secret-file", filepath.Join(dir, "secret"),
		"--admin-token-file", filepath.Join(dir, "data.admin-token"), "--no-community")
	s.token = want.Tokens["administrator"]
	want.Running.Jobs = nil // --copy-from, by which the samples were made, leaves jobs out
	checkRunning(t, s, want)
	checkSample(t, s, want)
}
