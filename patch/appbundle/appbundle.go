// Package appbundle makes a patch definition from a macOS application, as
// Patch-Starter-Script did: from the Info.plist of its bundle, and nothing else
// of it.
//
// The bundle is an fs.FS, so that it can be a folder (os.DirFS), an archive
// ([Zip] finds the application in one) or a test's fstest.MapFS. Property lists
// are read in XML and in binary form.
//
// All functions are safe for concurrent use.
package appbundle

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"howett.net/plist"

	"github.com/patchsource/patchsource/patch"
)

var (
	// ErrMissing is something that the bundle does not say and that was not
	// given; errors.As finds the *[MissingError] that says what.
	ErrMissing = errors.New("missing")
	// ErrPropertyList is an Info.plist that cannot be read.
	ErrPropertyList = errors.New("unreadable property list")
	// ErrNoBundle is a place where no application is.
	ErrNoBundle = errors.New("no application bundle")
)

// A MissingError says what a bundle does not say. It is [ErrMissing].
type MissingError struct {
	// Key is the key of Info.plist that is not there.
	Key string
}

// Error says what is wrong, and where.
func (e *MissingError) Error() string {
	return fmt.Sprintf("the application's Info.plist has no %s", e.Key)
}

// Is makes a MissingError an ErrMissing.
func (e *MissingError) Is(target error) bool { return target == ErrMissing }

// The keys of Info.plist that are read.
const (
	KeyName       = "CFBundleName"
	KeyVersion    = "CFBundleShortVersionString"
	KeyIdentifier = "CFBundleIdentifier"
	KeyMinimumOS  = "LSMinimumSystemVersion"
)

// Options are options of [New] and [Zip]. Nil means the zero value.
type Options struct {
	// Publisher is the vendor. Empty: the title's name.
	Publisher string
	// Name is the title's name. Empty: CFBundleName, or else the bundle's file
	// name without .app.
	Name string
	// Version is the version. Empty: CFBundleShortVersionString, which is what
	// Jamf Pro's criterion Application Version looks at.
	Version string
	// MinimumOS is the lowest macOS version. Empty: LSMinimumSystemVersion.
	MinimumOS string
	// Scripts are the extension attributes: each is a script's text. The first
	// has the name in lower case, with - for spaces, as its key; further ones
	// have -2, -3 … behind it, because keys stand once.
	Scripts [][]byte
	// Now is the definition's lastModified. The zero time leaves it out.
	Now time.Time
}

// maxPropertyList bounds an Info.plist. They have a few kilobytes; the parser
// takes a multiple of what it reads.
const maxPropertyList = 1 << 20

// info is what is read of an Info.plist. Only these keys become Go values, so
// that a small file cannot make itself large.
type info struct {
	Name       string `plist:"CFBundleName"`
	Version    string `plist:"CFBundleShortVersionString"`
	Identifier string `plist:"CFBundleIdentifier"`
	MinimumOS  string `plist:"LSMinimumSystemVersion"`
}

// New makes a definition of one version from an application. bundle is the
// inside of the bundle (with Contents/Info.plist), fileName its name, such as
// "Some App.app". The release date is the time at which the bundle was modified,
// in UTC; of an archive that has no times, it is Now.
//
// The error is [ErrMissing], [ErrPropertyList], [patch.ErrInvalid] when what the
// bundle says makes no valid definition, or one of fs.
func New(bundle fs.FS, fileName string, opts *Options) (*patch.Definition, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	f, err := bundle.Open("Contents/Info.plist")
	if err != nil {
		return nil, fmt.Errorf("read the application's Info.plist: %w", err)
	}
	defer f.Close()
	in, err := readInfo(f)
	if err != nil {
		return nil, err
	}
	released, err := modified(bundle, f)
	if err == nil && released.IsZero() {
		if released = o.Now; released.IsZero() {
			err = errors.New("nothing in the archive has one: unpack it, and use the application itself")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the application's date: %w", err)
	}

	for _, s := range []*string{&in.Name, &in.Version, &in.Identifier, &in.MinimumOS} {
		*s = strings.TrimSpace(*s)
	}
	name := first(o.Name, in.Name, strings.TrimSuffix(fileName, ".app"))
	version := first(o.Version, in.Version)
	minimumOS := first(o.MinimumOS, in.MinimumOS)
	switch {
	case in.Identifier == "":
		return nil, &MissingError{KeyIdentifier}
	case version == "":
		return nil, &MissingError{KeyVersion}
	case minimumOS == "":
		return nil, &MissingError{KeyMinimumOS}
	}
	yes := true
	byBundleID := patch.Criterion{
		Name:     "Application Bundle ID",
		Operator: "is",
		Value:    in.Identifier,
		Type:     "recon",
		And:      &yes,
	}
	d := &patch.Definition{
		ID:             id(name),
		Name:           name,
		Publisher:      first(o.Publisher, name),
		AppName:        &fileName,
		BundleID:       &in.Identifier,
		CurrentVersion: version,
		Requirements:   []patch.Criterion{byBundleID},
		Patches: []patch.Patch{{
			Version:                version,
			ReleaseDate:            patch.FormatTime(released),
			Standalone:             true,
			MinimumOperatingSystem: minimumOS,
			KillApps:               []patch.KillApp{{BundleID: in.Identifier, AppName: fileName}},
			Components: []patch.Component{{Name: name, Version: version, Criteria: []patch.Criterion{
				byBundleID,
				{Name: "Application Version", Operator: "is", Value: version, Type: "recon"},
			}}},
			Capabilities: []patch.Criterion{
				{Name: "Operating System Version", Operator: "greater than or equal", Value: minimumOS, Type: "recon"},
			},
			Dependencies: json.RawMessage("[]"),
		}},
	}
	if !o.Now.IsZero() {
		d.LastModified = patch.FormatTime(o.Now)
	}
	key := strings.ReplaceAll(strings.ToLower(name), " ", "-")
	for i, script := range o.Scripts {
		a := patch.ExtensionAttribute{Key: key, Value: base64.StdEncoding.EncodeToString(script), DisplayName: name}
		if i > 0 {
			a.Key += fmt.Sprintf("-%d", i+1)
		}
		d.ExtensionAttributes = append(d.ExtensionAttributes, a)
	}
	if err := d.Validate(); err != nil {
		return nil, fmt.Errorf("what the application says makes no valid definition: %w", err)
	}
	return d, nil
}

// id makes an id of a name: without spaces, letters without their marks, and
// without what an id cannot have. Of a name that nothing is left of, it is empty.
func id(name string) string {
	s, err := patch.AuthorID(strings.ReplaceAll(name, " ", ""))
	if err != nil {
		return ""
	}
	return s
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// modified returns when the bundle was modified; if its file system does not
// say, when its Info.plist was; if that does not either, the zero time.
func modified(bundle fs.FS, infoFile fs.File) (time.Time, error) {
	stat, err := fs.Stat(bundle, ".")
	if err != nil {
		return time.Time{}, err
	}
	// A zip that knows no time says 1979 or 1980, which no Mac application is of.
	if t := stat.ModTime(); t.Year() > 1980 {
		return t, nil
	}
	if stat, err = infoFile.Stat(); err != nil {
		return time.Time{}, err
	}
	if t := stat.ModTime(); t.Year() > 1980 {
		return t, nil
	}
	return time.Time{}, nil
}

// readInfo reads an Info.plist in XML or binary form.
func readInfo(r io.Reader) (in info, err error) {
	data, err := io.ReadAll(io.LimitReader(r, maxPropertyList+1))
	if err != nil {
		return in, fmt.Errorf("read the application's Info.plist: %w", err)
	}
	if len(data) > maxPropertyList {
		return in, fmt.Errorf("%w: it has more than %d bytes", ErrPropertyList, maxPropertyList)
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(data, []byte("\ufeff")), " \t\r\n")
	if !bytes.HasPrefix(data, []byte("bplist")) && !bytes.HasPrefix(text, []byte("<")) {
		return in, fmt.Errorf("%w: it is neither XML nor binary", ErrPropertyList)
	}
	// The parser reports some damage by panicking.
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", ErrPropertyList, v)
		}
	}()
	if _, err := plist.Unmarshal(data, &in); err != nil {
		return in, fmt.Errorf("%w: %w", ErrPropertyList, err)
	}
	return in, nil
}

// Zip makes a definition from the application in a zip: the bundle that lies
// least deep, the first by name of several.
//
// The error is [ErrNoBundle], one of [New], or one of the zip.
func Zip(z *zip.Reader, opts *Options) (*patch.Definition, error) {
	best := ""
	for _, f := range z.File {
		bundle, ok := strings.CutSuffix(f.Name, "/Contents/Info.plist")
		if !ok || !strings.HasSuffix(bundle, ".app") || strings.HasPrefix(f.Name, "__MACOSX/") ||
			!fs.ValidPath(bundle) {
			continue
		}
		if best == "" || strings.Count(bundle, "/") < strings.Count(best, "/") ||
			strings.Count(bundle, "/") == strings.Count(best, "/") && bundle < best {
			best = bundle
		}
	}
	if best == "" {
		return nil, fmt.Errorf("%w: the zip has no …app/Contents/Info.plist", ErrNoBundle)
	}
	bundle, err := fs.Sub(z, best)
	if err != nil {
		return nil, err
	}
	return New(bundle, path.Base(best), opts)
}
