package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"

	"github.com/patchsource/patchsource/httpapi/wire"
)

// BackupOptions are options of [Client.Backup]. A nil *BackupOptions is the zero value.
type BackupOptions struct {
	// Full includes everything that is needed to move the server. It needs an administrator's token.
	Full bool
}

// zipMagic is what every zip archive begins with.
const zipMagic = "PK"

// Backup writes a zip archive of all titles to w as it arrives. If it returns an error, the archive is not complete.
// Nothing is written if the answer is not a zip archive.
func (c *Client) Backup(ctx context.Context, w io.Writer, opts *BackupOptions) error {
	q := call{method: http.MethodGet, path: api("backup"), accept: typeZip}
	if opts != nil && opts.Full {
		q.query = url.Values{"full": {"1"}}
	}
	res, err := c.send(ctx, q)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body := bufio.NewReader(res.Body)
	magic, err := body.Peek(len(zipMagic))
	switch {
	case err != nil && err != io.EOF:
		return fmt.Errorf("reading the backup: %w", err)
	case string(magic) != zipMagic:
		return fmt.Errorf("%w: it is not a zip archive", ErrUnexpectedAnswer)
	}
	_, err = io.Copy(w, body)
	return err
}

// A RestoreMode says what a restore does with the titles that the server has.
type RestoreMode string

const (
	// RestoreEmpty restores only if the server has no titles. It is the zero value.
	RestoreEmpty RestoreMode = ""
	// RestoreMerge keeps the titles that are not in the backup.
	RestoreMerge RestoreMode = "merge"
	// RestoreReplace deletes the titles that are not in the backup.
	RestoreReplace RestoreMode = "replace"
)

// RestoreOptions are options of [Client.Restore]. A nil *RestoreOptions is the zero value.
type RestoreOptions struct {
	Mode RestoreMode
	// Confirm confirms a restore that deletes titles. It is the value that [Client.PlanRestore] returned. If the
	// restore would delete other titles by now, nothing is restored.
	Confirm string
}

func (o *RestoreOptions) call(backup io.Reader) call {
	q := call{
		method:      http.MethodPost,
		path:        api("restore"),
		query:       url.Values{},
		stream:      backup,
		contentType: typeZip,
	}
	if o != nil && o.Mode != "" {
		q.query.Set("mode", string(o.Mode))
	}
	if o != nil && o.Confirm != "" {
		q.query.Set("confirm", o.Confirm)
	}
	return q
}

// PlanRestore returns what [Client.Restore] would do. Nothing is changed. The reader is not closed, so that a file can
// be read again for the restore.
func (c *Client) PlanRestore(ctx context.Context, backup io.Reader, opts *RestoreOptions) (
	plan wire.RestorePlan, err error,
) {
	q := opts.call(backup)
	q.query.Set("dry_run", "1")
	return plan, c.do(ctx, q, &plan)
}

// Restore restores the titles of a backup, all or none. The reader is not closed.
func (c *Client) Restore(ctx context.Context, backup io.Reader, opts *RestoreOptions) (
	all []wire.Restored, err error,
) {
	return all, c.do(ctx, opts.call(backup), &all)
}

// ImportOptions are options of [Client.Import]. A nil *ImportOptions is the zero value.
type ImportOptions struct {
	// DryRun returns the results of the import and changes nothing.
	DryRun bool
	// Replace replaces titles that exist already. If false, those that differ are refused.
	Replace bool
}

func (o *ImportOptions) call(titles io.Reader) call {
	q := call{
		method:      http.MethodPost,
		path:        api("titles", "import"),
		query:       url.Values{},
		stream:      titles,
		contentType: typeBinary,
	}
	if o != nil && o.DryRun {
		q.query.Set("dry_run", "1")
	}
	if o != nil && o.Replace {
		q.query.Set("replace", "1")
	}
	return q
}

// Import creates or replaces the titles of a JSON array, of lines of JSON, or of a zip archive, independently of each
// other, and yields the result of each. An error ends the sequence. The reader is not closed.
func (c *Client) Import(ctx context.Context, titles io.Reader, opts *ImportOptions) iter.Seq2[wire.Imported, error] {
	return func(yield func(wire.Imported, error) bool) {
		q := opts.call(titles)
		q.accept = typeNDJSON
		res, err := c.send(ctx, q)
		if err != nil {
			yield(wire.Imported{}, err)
			return
		}
		defer res.Body.Close()
		body := &resultReader{body: res.Body, limit: c.opts.MaxAnswerBytes}
		for decoder := json.NewDecoder(body); ; {
			var one wire.Imported
			body.read = 0
			err := decoder.Decode(&one)
			var syntax *json.SyntaxError
			var mismatch *json.UnmarshalTypeError
			switch {
			case err == io.EOF:
				return
			case errors.As(err, &syntax), errors.As(err, &mismatch):
				err = fmt.Errorf("%w: decoding the answer of %s: %w", ErrUnexpectedAnswer, c.addressOf(q), err)
			}
			if !yield(one, err) || err != nil {
				return
			}
		}
	}
}

// A resultReader reads the results of an import. It returns an error after limit bytes, if that is positive, unless
// read is reset.
type resultReader struct {
	body        io.Reader
	read, limit int64
}

// Read implements io.Reader.
func (r *resultReader) Read(p []byte) (int, error) {
	if r.limit > 0 && r.read > r.limit {
		return 0, errTooLong(r.limit)
	}
	n, err := r.body.Read(p)
	r.read += int64(n)
	return n, err
}
