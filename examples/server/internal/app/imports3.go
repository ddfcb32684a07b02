package app

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// objectTimeout bounds the reading of one object or of one page of a list during an import.
const objectTimeout = time.Minute

// importBucket imports the objects of a bucket that are definitions, such as those of a Stupid Simple Patch Server.
// Their names end in .json.
func importBucket(ctx context.Context, name string, c *catalog.Catalog, log *slog.Logger) error {
	shown := redactStore(name)
	b, err := openBucket(ctx, name)
	if err != nil {
		return fmt.Errorf("--import %s: %w", shown, err)
	}
	names, err := b.definitions()
	if err != nil {
		return fmt.Errorf("--import %s: %w", shown, err)
	}
	if err := importFiles(ctx, b, names, c, log.With("from", shown)); err != nil {
		return fmt.Errorf("--import %s: %w", shown, err)
	}
	return nil
}

// A bucketFS reads the objects of a bucket as files. ctx bounds all of its requests.
type bucketFS struct {
	ctx            context.Context
	client         *s3.Client
	bucket, prefix string
}

// openBucket opens the bucket that a URL in the form of --store names.
func openBucket(ctx context.Context, name string) (*bucketFS, error) {
	spec, err := parseS3(name)
	if err != nil {
		return nil, err
	}
	client, err := spec.client(ctx)
	if err != nil {
		return nil, err
	}
	b := &bucketFS{ctx: ctx, client: client, bucket: spec.bucket}
	if spec.prefix != "" {
		b.prefix = spec.prefix + "/"
	}
	return b, nil
}

// definitions returns the names of the objects that may be definitions, without the prefix.
func (b *bucketFS) definitions() (names []string, err error) {
	input := &s3.ListObjectsV2Input{Bucket: &b.bucket, Prefix: &b.prefix}
	for pages := s3.NewListObjectsV2Paginator(b.client, input); pages.HasMorePages(); {
		page, err := b.nextPage(pages)
		if err != nil {
			return nil, fmt.Errorf("list the bucket: %w", err)
		}
		for _, o := range page.Contents {
			if name := strings.TrimPrefix(aws.ToString(o.Key), b.prefix); isDefinitionName(name) {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// nextPage requests a page of a list.
func (b *bucketFS) nextPage(pages *s3.ListObjectsV2Paginator) (*s3.ListObjectsV2Output, error) {
	ctx, cancel := context.WithTimeout(b.ctx, objectTimeout)
	defer cancel()
	return pages.NextPage(ctx)
}

// isDefinitionName reports whether an object may be a definition by its name: it ends in .json, and no part of it is
// hidden.
func isDefinitionName(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, ".") || part == "__MACOSX" {
			return false
		}
	}
	return strings.EqualFold(path.Ext(name), ".json")
}

// Open implements fs.FS. It reads the beginning of the object, up to the maximum size of a definition and a byte.
func (b *bucketFS) Open(name string) (fs.File, error) {
	ctx, cancel := context.WithTimeout(b.ctx, objectTimeout)
	defer cancel()
	key := b.prefix + name
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.bucket, Key: &key}, func(o *s3.Options) {
		o.DisableLogOutputChecksumValidationSkipped = true // not every server returns checksums
	})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	data, err := io.ReadAll(io.LimitReader(out.Body, patch.DefaultMaxBytes+1))
	if err != nil {
		return nil, err
	}
	return &objectFile{Reader: strings.NewReader(string(data)), name: path.Base(name), size: int64(len(data))}, nil
}

// An objectFile is an object that was read.
type objectFile struct {
	*strings.Reader
	name string
	size int64
}

func (f *objectFile) Stat() (fs.FileInfo, error) { return objectInfo{f}, nil }

func (f *objectFile) Close() error { return nil }

// An objectInfo describes an objectFile.
type objectInfo struct{ file *objectFile }

func (i objectInfo) Name() string       { return i.file.name }
func (i objectInfo) Size() int64        { return i.file.size }
func (i objectInfo) Mode() fs.FileMode  { return 0o400 }
func (i objectInfo) ModTime() time.Time { return time.Time{} }
func (i objectInfo) IsDir() bool        { return false }
func (i objectInfo) Sys() any           { return nil }
