package main

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// A dataSet is a fresh data folder: titles with an equal number of versions, and a few with other numbers.
type dataSet struct {
	titles, versions int
	// special are the numbers of versions of the titles after those.
	special []int
	// history is the number of earlier revisions of each title. Each has one version less than the next one.
	history int
}

// generation is part of the names of data sets. It changes with the generated data.
const generation = 2

// name returns the name of the folder in the data folder.
func (d dataSet) name() string {
	name := fmt.Sprintf("%d-titles-%d-versions-%d", generation, d.titles, d.versions)
	for _, n := range d.special {
		name += fmt.Sprintf("-%d", n)
	}
	if d.history > 0 {
		name += fmt.Sprintf("-history-%d", d.history)
	}
	return name
}

// template returns the folder of a data set and generates it if it does not exist. No server must open it.
func (b *bench) template(ctx context.Context, d dataSet) (string, error) {
	dir := filepath.Join(b.dir, "templates", d.name())
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	b.log("generating %s", d.name())
	tmp := dir + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return "", err
	}
	for _, kind := range []string{"titles", "history", "tokens", "contributors"} {
		if err := os.MkdirAll(filepath.Join(tmp, kind), 0o700); err != nil {
			return "", err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for n := range d.titles + len(d.special) {
		versions := d.versions
		if n >= d.titles {
			versions = d.special[n-d.titles]
		}
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return writeTitle(tmp, n, versions, d.history) })
	}
	if err := group.Wait(); err != nil {
		return "", err
	}
	return dir, os.Rename(tmp, dir)
}

// writeTitle writes the records of a title and of what belongs to it, in the format of the first stores: they have no
// format marker, and every build reads them.
func writeTitle(dir string, n, versions, history int) error {
	id, since := titleID(n), changed(n).Format(time.RFC3339)
	uid := text(id, "uid")
	owner, head := "", ""
	if author := authorOf(n); author != "" {
		contributor, ok := contributorOf(n)
		mailbox := fmt.Sprintf(`{"key_id":"00000000","time":2,"memory":19456,"threads":1,"hash":"%s"}`, digest(author))
		owner = fmt.Sprintf(`"author":%q,"mailbox":%s`, author, mailbox)
		if ok {
			owner = fmt.Sprintf(`"author":%q,"contributor":%q,"mailbox":%s`, author, contributor, mailbox)
		}
		head = `"owner":{` + owner + `},`
		if ok && n%contributorSpan == 0 {
			err := writeRecord(dir, "contributors", contributor, fmt.Sprintf(
				`{"format":1,"name":%q,"mailbox":%s,"since":%q,"verified":%q}`, contributor, mailbox, since, since))
			if err != nil {
				return err
			}
		}
	}
	if n%contributorSpan == 1 {
		token := strings.ToLower(text(id, "token")[:12])
		err := writeRecord(dir, "tokens", token, fmt.Sprintf(
			`{"format":1,"kind":"title","hash":"%s","titles":[%q],"created":%q}`, digest(token), uid, since))
		if err != nil {
			return err
		}
	}
	for i := range history {
		err := writeRecord(dir, "history", fmt.Sprintf("%s/%010d", uid, i+1), fmt.Sprintf(
			`{"format":1,"number":%d,"at":%q,"definition":%s}`, i+1, since, definition(n, max(1, versions-history+i))))
		if err != nil {
			return err
		}
	}
	return writeRecord(dir, "titles", strings.ToLower(id), fmt.Sprintf(
		`{"format":1,"uid":%q,"state":"live","since":%q,"changed":%q,"edition":%d,%s"definition":%s}`,
		uid, since, since, history+1, head, definition(n, versions)))
}

// writeRecord writes a record as filestore does.
func writeRecord(dir, kind, id, value string) error {
	rest := fmt.Sprintf(`"id":%q,"revision":%q,"value":%s}`+"\n", id, text(kind, id), value)
	sum := crc32.Checksum([]byte(rest), crc32.MakeTable(crc32.Castagnoli))
	data := fmt.Appendf(nil, `{"crc32c":"%08x",%s`, sum, rest)
	return os.WriteFile(filepath.Join(dir, kind, escape(id)+".json"), data, 0o600)
}

// escape returns the name of a file for an id: capital letters and slashes are escaped.
func escape(id string) string {
	var b strings.Builder
	for _, c := range []byte(id) {
		if 'A' <= c && c <= 'Z' || c == '/' {
			fmt.Fprintf(&b, "%%%02x", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// digest returns a hash in hexadecimal.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// text returns 26 letters and digits that look random, as rand.Text does.
func text(parts ...string) string {
	sum := sha256.Sum256(fmt.Append(nil, parts))
	return base32.StdEncoding.EncodeToString(sum[:])[:26]
}

// clone returns a new folder with a copy of a data set as its store. The files are hard links, which is safe because
// the server replaces files and never changes them. remove removes the folder.
func (b *bench) clone(ctx context.Context, d dataSet, name string) (folder string, remove func(), err error) {
	template, err := b.template(ctx, d)
	if err != nil {
		return "", nil, err
	}
	if folder, err = os.MkdirTemp(b.dir, "run-"+name+"-"); err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(folder) }
	if err := linkFolder(template, filepath.Join(folder, "data")); err != nil {
		remove()
		return "", nil, err
	}
	return folder, remove, nil
}

// linkFolder copies a folder with hard links in place of files.
func linkFolder(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.Mkdir(filepath.Join(to, name), 0o700)
		}
		return os.Link(path, filepath.Join(to, name))
	})
}

// started returns a server of a build over a copy of a data set that was already started and stopped once, so that it
// has taken over the data and has what it keeps for a start. stop stops the server and removes its folder.
func (b *bench) started(
	ctx context.Context, bin build, d dataSet, flags ...string,
) (s *server, stop func(), err error) {
	folder, remove, err := b.clone(ctx, d, bin.name)
	if err != nil {
		return nil, nil, err
	}
	b.log("starting %s with %d titles %v", bin.name, d.titles, flags)
	s, err = b.start(ctx, bin, folder, flags...)
	if err == nil {
		err = s.stop()
	}
	if err == nil {
		s, err = b.start(ctx, bin, folder, flags...)
	}
	if err != nil {
		remove()
		return nil, nil, err
	}
	return s, func() {
		s.kill()
		remove()
	}, nil
}
