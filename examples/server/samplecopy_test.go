//go:build unix

package main

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx

	"github.com/patchsource/patchsource/examples/internal/trial"
	"github.com/patchsource/patchsource/store/s3store/s3storetest"
	"github.com/patchsource/patchsource/store/sqlstore/sqlstoretest"
)

// copySample copies the data folder of a sample into a database and a bucket, and keeps these in the folder of the
// sample as database.sql.gz and objects.tar.gz. It needs PostgreSQL and gofakes3.
func copySample(t *testing.T, folder string) {
	t.Helper()
	dir := t.TempDir()
	unpack(t, filepath.Join(folder, "data.tar.gz"), dir)
	database, bucket := sqlstoretest.Require(t, "fsync=off"), s3storetest.Require(t)
	copyStore(t, dir, databaseStore(database, folder))
	copyStore(t, dir, bucketStore(bucket, folder))
	for name, data := range map[string][]byte{
		"database.sql.gz": compress(t, dumpDatabase(t, database)),
		"objects.tar.gz":  pack(t, dumpBucket(t, bucket)),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// sampleSchema returns the schema, or the prefix, of a sample in a folder.
func sampleSchema(folder string) string {
	return "sample_" + strings.ReplaceAll(filepath.Base(folder), "-", "_")
}

// databaseStore returns the --store of a sample in a database.
func databaseStore(s *sqlstoretest.Server, folder string) string {
	return fmt.Sprintf("postgres://postgres@/postgres?host=%s&sslmode=disable&schema=%s", filepath.Dir(s.Socket()),
		sampleSchema(folder))
}

// bucketStore returns the --store of a sample in a bucket.
func bucketStore(s *s3storetest.Server, folder string) string {
	return fmt.Sprintf("s3://%s/%s?endpoint=%s&path_style=1", s3storetest.Bucket, sampleSchema(folder), s.Endpoint())
}

// bucketEnvironment are the credentials of a bucket.
var bucketEnvironment = []string{"AWS_ACCESS_KEY_ID=access", "AWS_SECRET_ACCESS_KEY=secret-of-a-test"}

// copyStore copies the data folder of a sample, which is unpacked in dir, into another store.
func copyStore(t *testing.T, dir, target string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--copy-from", "file:"+filepath.Join(dir, "data"), "--store", target,
		"--secret-file", filepath.Join(dir, "secret"))
	cmd.Env = append(trial.Environ(), bucketEnvironment...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// dumpDatabase returns the statements that make the schemas of samples and their records.
func dumpDatabase(t *testing.T, s *sqlstoretest.Server) string {
	t.Helper()
	program, err := exec.LookPath("pg_dump")
	if err != nil {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump")
		if len(found) == 0 {
			t.Fatal("pg_dump is missing: install PostgreSQL")
		}
		program = found[len(found)-1]
	}
	dump, err := exec.Command(program, "--no-owner", "--no-privileges", "--inserts", "--schema", "sample_*",
		s.DSN()).Output()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for line := range strings.Lines(string(dump)) {
		if !strings.HasPrefix(line, `\`) && !strings.HasPrefix(line, "--") { // commands of psql, and comments
			b.WriteString(line)
		}
	}
	return b.String()
}

// compress returns a text as a .gz.
func compress(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := io.WriteString(z, text)
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// loadDatabase makes the schema of a sample and its records, if the sample has a database.
func loadDatabase(t *testing.T, s *sqlstoretest.Server, folder string) {
	t.Helper()
	file, err := os.Open(filepath.Join(folder, "database.sql.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	statements, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), string(statements)); err != nil {
		t.Fatal(err)
	}
}

// dumpBucket returns the objects in a bucket by their keys.
func dumpBucket(t *testing.T, s *s3storetest.Server) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	client := s.Client()
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: aws.String(s3storetest.Bucket)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range page.Contents {
			files[*object.Key] = readObject(t, client, *object.Key)
		}
	}
	return files
}

// readObject returns an object of a bucket.
func readObject(t *testing.T, client *s3.Client, key string) []byte {
	t.Helper()
	object, err := client.GetObject(t.Context(), &s3.GetObjectInput{
		Bucket: aws.String(s3storetest.Bucket),
		Key:    aws.String(key),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer object.Body.Close()
	data, err := io.ReadAll(object.Body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// loadBucket puts the objects of a sample into a bucket.
func loadBucket(t *testing.T, s *s3storetest.Server, folder string) {
	t.Helper()
	putObjects(t, s, readArchive(t, filepath.Join(folder, "objects.tar.gz")))
}

// putObjects puts objects into a bucket.
func putObjects(t *testing.T, s *s3storetest.Server, objects map[string][]byte) {
	t.Helper()
	client := s.Client()
	for key, data := range objects {
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: aws.String(s3storetest.Bucket),
			Key:    aws.String(key),
			Body:   bytes.NewReader(data),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
