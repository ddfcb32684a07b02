package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/examples/internal/cli"
)

// A row is a title in the list of an instance.
type row struct {
	Number   int64  `json:"softwareTitleId"`
	ID       string `json:"id"`
	Name     string `json:"name"`
	SourceID int64  `json:"sourceId"`
}

// A migration reads or writes titles, and reports its progress.
type migration struct {
	progress io.Writer
	update   bool // titles that differ are updated
	dryRun   bool

	done, total int
	counts      map[string]int // by outcome
	partly      int            // titles that are there, and whose last step failed
}

// The outcomes for a title.
const (
	exported  = "exported"
	created   = "created"
	updated   = "updated"
	enabled   = "enabled" // or disabled: its content was there already
	unchanged = "unchanged"
	differs   = "different there, and left as they are (use --update)"
	failed    = "failed"
)

// note reports the outcome for a title.
func (m *migration) note(id, outcome string, err error) {
	m.done++
	if m.counts == nil {
		m.counts = map[string]int{}
	}
	m.counts[outcome]++
	fmt.Fprintf(m.progress, "%d/%d %s: %s", m.done, m.total, id, outcome)
	if err != nil {
		fmt.Fprintf(m.progress, ": %v", err)
		if outcome != failed {
			m.partly++
		}
	}
	fmt.Fprintln(m.progress)
}

// list returns the titles of an instance. Those that come from another source are left out unless all is true.
func list(ctx context.Context, c *client, all bool) ([]row, error) {
	var rows []row
	if err := c.call(ctx, "GET", "softwaretitles", nil, &rows); err != nil {
		return nil, err
	}
	if !all {
		rows = slices.DeleteFunc(rows, func(r row) bool { return r.SourceID != 0 })
	}
	return rows, nil
}

// read returns a title of an instance as it is answered, and parsed.
func read(ctx context.Context, c *client, number int64) (raw json.RawMessage, t *numberedTitle, err error) {
	if err := c.call(ctx, "GET", fmt.Sprintf("softwaretitles/%d", number), nil, &raw); err != nil {
		return nil, nil, err
	}
	t = &numberedTitle{}
	return raw, t, json.Unmarshal(raw, t)
}

// export writes each title of an instance into a file of a folder.
func (m *migration) export(ctx context.Context, c *client, dir string, all bool) error {
	rows, err := list(ctx, c, all)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	m.total = len(rows)
	for _, r := range rows {
		raw, _, err := read(ctx, c, r.Number)
		if err == nil {
			err = writeFile(filepath.Join(dir, url.PathEscape(r.ID)+".json"), raw)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			m.note(r.ID, failed, err)
			continue
		}
		m.note(r.ID, exported, nil)
	}
	return nil
}

// writeFile writes JSON into a file, whole or not at all.
func writeFile(name string, data json.RawMessage) error {
	var indented strings.Builder
	enc := json.NewEncoder(&indented)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(data); err != nil {
		return err
	}
	temporary := name + ".part"
	if err := os.WriteFile(temporary, []byte(indented.String()), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, name)
}

// readFolder returns the titles in the files of a folder, sorted by file.
func readFolder(dir string) (titles []title, err error) {
	names, err := cli.DefinitionFiles(os.DirFS(dir))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("the folder %s has no *.json files", dir)
	}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		t := &numberedTitle{}
		if err := json.Unmarshal(data, t); err != nil {
			return nil, fmt.Errorf("the file %s cannot be read: %w", name, err)
		}
		titles = append(titles, t.plain())
	}
	return titles, nil
}

// copyTitles copies titles from one instance to another, one after the other.
func (m *migration) copyTitles(ctx context.Context, from, to *client, all bool) error {
	rows, err := list(ctx, from, all)
	if err != nil {
		return err
	}
	return m.write(ctx, to, len(rows), func(i int) (title, error) {
		_, t, err := read(ctx, from, rows[i].Number)
		if err != nil {
			return title{ID: rows[i].ID}, err
		}
		return t.plain(), nil
	})
}

// importTitles writes titles into an instance.
func (m *migration) importTitles(ctx context.Context, to *client, titles []title) error {
	return m.write(ctx, to, len(titles), func(i int) (title, error) { return titles[i], nil })
}

// write writes n titles into an instance.
func (m *migration) write(ctx context.Context, to *client, n int, titleAt func(i int) (title, error)) error {
	rows, err := list(ctx, to, true)
	if err != nil {
		return err
	}
	there := map[string]int64{}
	for _, r := range rows {
		there[strings.ToLower(r.ID)] = r.Number
	}
	m.total = n
	for i := range n {
		t, err := titleAt(i)
		outcome := failed
		if err == nil {
			outcome, err = m.writeOne(ctx, to, t, there[strings.ToLower(t.ID)])
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		m.note(t.ID, outcome, err)
	}
	return nil
}

// writeOne writes a title into an instance, where it has a number if it is there already.
func (m *migration) writeOne(ctx context.Context, c *client, t title, number int64) (outcome string, err error) {
	now := &numberedTitle{}
	if number == 0 {
		if m.dryRun {
			return created, nil
		}
		body := t
		body.Enabled = false // it is enabled when its versions are
		if err := c.call(ctx, "POST", "softwaretitles", body, now); err != nil {
			return failed, err
		}
		return created, orFailed(m.enable(ctx, c, t, now))
	}
	if _, now, err = read(ctx, c, number); err != nil {
		return failed, err
	}
	is := now.plain()
	switch {
	case same(withoutCurrent(is), withoutCurrent(t)):
		return unchanged, nil
	case sameContent(is, t): // an earlier run was interrupted
		if m.dryRun {
			return enabled, nil
		}
		return enabled, orFailed(m.enable(ctx, c, t, now))
	case !m.update:
		return differs, nil
	case m.dryRun:
		return updated, nil
	}
	if now, err = m.updateTitle(ctx, c, t, now); err != nil {
		return failed, err
	}
	return updated, orFailed(m.enable(ctx, c, t, now))
}

// orFailed returns the error of the last step for a title.
func orFailed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("it is there, and not all of it could be enabled: %w", err)
}

// withoutCurrent returns a title without its currentVersion, which some servers derive.
func withoutCurrent(t title) title {
	t.CurrentVersion = ""
	return t
}

// updateTitle makes the content of a title equal to t. Versions that t does not have stay.
func (m *migration) updateTitle(ctx context.Context, c *client, t title, now *numberedTitle) (*numberedTitle, error) {
	is, path := now.plain(), fmt.Sprintf("softwaretitles/%d", now.Number)
	members := map[string]any{"name": t.Name, "publisher": t.Publisher, "appName": t.AppName, "bundleId": t.BundleID}
	if err := c.call(ctx, "PUT", path, members, nil); err != nil {
		return nil, err
	}
	// New parts come before the old ones go, so that the title stays enabled.
	if !same(is.Requirements, t.Requirements) {
		for _, r := range t.Requirements {
			if err := c.call(ctx, "POST", path+"/requirements", r, nil); err != nil {
				return nil, err
			}
		}
		for _, r := range now.Requirements {
			if err := c.call(ctx, "DELETE", fmt.Sprintf("requirements/%d", r.Number), nil, nil); err != nil {
				return nil, err
			}
		}
	}
	if !same(is.ExtensionAttributes, t.ExtensionAttributes) {
		for _, a := range now.ExtensionAttributes {
			if err := c.call(ctx, "DELETE", fmt.Sprintf("extensionattributes/%d", a.Number), nil, nil); err != nil {
				return nil, err
			}
		}
		for _, a := range t.ExtensionAttributes {
			if err := c.call(ctx, "POST", path+"/extensionattributes", a, nil); err != nil {
				return nil, err
			}
		}
	}
	for i, v := range t.Patches {
		at := slices.IndexFunc(is.Patches, func(p version) bool { return p.Version == v.Version })
		if at >= 0 && same(is.Patches[at], v) {
			continue
		}
		if at >= 0 {
			if err := c.call(ctx, "DELETE", fmt.Sprintf("patches/%d", now.Patches[at].Number), nil, nil); err != nil {
				return nil, err
			}
		}
		body := struct {
			version
			Order int `json:"absoluteOrderId"`
		}{v, i}
		if err := c.call(ctx, "POST", path+"/patches", body, nil); err != nil {
			return nil, err
		}
	}
	_, after, err := read(ctx, c, now.Number)
	if err != nil {
		return nil, err
	}
	moved, err := orderVersions(ctx, c, t, after)
	if err != nil || !moved {
		return after, err
	}
	_, after, err = read(ctx, c, now.Number)
	return after, err
}

// orderVersions moves the versions of a title to the places that they have in t, and reports whether any was moved.
// Versions that t does not have come last.
func orderVersions(ctx context.Context, c *client, t title, now *numberedTitle) (moved bool, err error) {
	is := slices.Clone(now.Patches)
	for i, v := range t.Patches {
		at := slices.IndexFunc(is, func(p numberedVersion) bool { return p.Version == v.Version })
		if at <= i {
			continue // it is in its place, or the server does not have it
		}
		p := is[at]
		body := map[string]any{"absoluteOrderId": i}
		if err := c.call(ctx, "PUT", fmt.Sprintf("patches/%d", p.Number), body, nil); err != nil {
			return moved, err
		}
		is, moved = slices.Insert(slices.Delete(is, at, at+1), i, p), true
	}
	return moved, nil
}

// enable enables and disables the versions of a title, and the title, as t says.
func (m *migration) enable(ctx context.Context, c *client, t title, now *numberedTitle) error {
	for i, is := range now.Patches {
		at := slices.IndexFunc(t.Patches, func(v version) bool { return v.Version == is.Version })
		if at < 0 || t.Patches[at].Enabled == is.Enabled {
			continue
		}
		body := map[string]any{"enabled": t.Patches[at].Enabled}
		if err := c.call(ctx, "PUT", fmt.Sprintf("patches/%d", now.Patches[i].Number), body, nil); err != nil {
			return err
		}
	}
	path := fmt.Sprintf("softwaretitles/%d", now.Number)
	if _, after, err := read(ctx, c, now.Number); err != nil {
		return err
	} else if after.Enabled != t.Enabled || after.CurrentVersion != t.CurrentVersion {
		return c.call(ctx, "PUT", path, map[string]any{"enabled": t.Enabled, "currentVersion": t.CurrentVersion}, nil)
	}
	return nil
}
