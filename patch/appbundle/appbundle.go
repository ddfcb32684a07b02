// Package appbundle makes a patch definition from a macOS application, as Patch-Starter-Script did. It reads the
// Info.plist of the application's bundle and nothing else.
//
// The bundle is an fs.FS: a directory (os.DirFS), an archive ([Zip] finds the application in one) or, in tests, an
// fstest.MapFS. Property lists are read in XML and in binary form.
//
// All functions are safe for concurrent use.
package appbundle

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
)

var (
	// ErrMissing means that Info.plist lacks something that the options do not provide either. With errors.As, a
	// *[MissingError] names it.
	ErrMissing = errors.New("missing")
	// ErrPropertyList means that an Info.plist cannot be read.
	ErrPropertyList = errors.New("unreadable property list")
	// ErrNoBundle means that there is no application.
	ErrNoBundle = errors.New("no application bundle")
)

// A MissingError names a key that Info.plist lacks. It is an [ErrMissing].
type MissingError struct {
	// Key is the key, such as [KeyVersion].
	Key string
}

// Error returns a sentence with the key.
func (e *MissingError) Error() string {
	return fmt.Sprintf("the application's Info.plist has no %s", e.Key)
}

// Is reports whether target is [ErrMissing].
func (e *MissingError) Is(target error) bool { return target == ErrMissing }

// Options are options of [New] and [Zip]. Nil means the zero value.
type Options struct {
	// Publisher is the vendor. The default is the title's name.
	Publisher string
	// Name is the title's name. The default is CFBundleName, or else the bundle's file name without .app.
	Name string
	// Version is the version. The default is CFBundleShortVersionString, with which Jamf Pro compares the criterion
	// Application Version.
	Version string
	// MinimumOS is the lowest macOS version. The default is LSMinimumSystemVersion.
	MinimumOS string
	// Scripts are the texts of the extension attributes. The key of the first is the title's name in lower case, with -
	// for spaces; further ones have -2, -3 and so on appended, because keys are unique.
	Scripts [][]byte
	// Now is the definition's lastModified. If zero, it is empty.
	Now time.Time
}

// New makes a definition of one version from an application. bundle is the content of the bundle (with
// Contents/Info.plist), fileName the bundle's name, such as "Some App.app". The release date is the modification
// time of the bundle in UTC, or Now for an archive without times.
//
// The error is [ErrMissing], [ErrPropertyList], [ErrNoBundle] if bundle is nil, [patch.ErrInvalid] if the definition
// would be invalid, or one of bundle.
func New(bundle fs.FS, fileName string, opts *Options) (*patch.Definition, error) {
	if bundle == nil {
		return nil, ErrNoBundle
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	app, err := application(bundle, fileName, &o)
	if err != nil {
		return nil, err
	}
	return o.definition(app)
}

// FromInfo makes a definition as [New] does from the content of an application's Info.plist alone. released is the
// release date.
//
// The error is [ErrMissing], [ErrPropertyList], or [patch.ErrInvalid] if the definition would be invalid.
func FromInfo(infoPlist []byte, fileName string, released time.Time, opts *Options) (*patch.Definition, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	in, err := readInfo(bytes.NewReader(infoPlist))
	if err != nil {
		return nil, err
	}
	app, err := in.application(fileName, &o)
	if err != nil {
		return nil, err
	}
	app.Released = released
	return o.definition(app)
}

// definition returns the definition of an application.
func (o *Options) definition(app patch.Application) (*patch.Definition, error) {
	d, err := patch.NewDefinition(app)
	if err != nil {
		return nil, invalid(err)
	}
	if !o.Now.IsZero() {
		d.LastModified = patch.FormatTime(o.Now)
	}
	if len(o.Scripts) == 0 {
		return d, nil
	}
	d.ExtensionAttributes = attributes(d.Name, o.Scripts)
	if err := d.Validate(); err != nil {
		return nil, invalid(err)
	}
	return d, nil
}

func invalid(err error) error {
	return fmt.Errorf("the application's Info.plist makes no valid definition: %w", err)
}

// application returns what the bundle and the options say about the application.
func application(bundle fs.FS, fileName string, o *Options) (app patch.Application, err error) {
	f, err := bundle.Open("Contents/Info.plist")
	if err != nil {
		return app, fmt.Errorf("read the application's Info.plist: %w", err)
	}
	defer f.Close()
	in, err := readInfo(f)
	if err != nil {
		return app, err
	}
	if app, err = in.application(fileName, o); err != nil {
		return app, err
	}
	if app.Released, err = releaseDate(bundle, f, o.Now); err != nil {
		return app, fmt.Errorf("read the application's date: %w", err)
	}
	return app, nil
}

// application returns what an Info.plist and the options say about the application, without its date.
func (in *info) application(fileName string, o *Options) (patch.Application, error) {
	app := patch.Application{
		Name:      first(o.Name, in.Name, strings.TrimSuffix(fileName, ".app")),
		BundleID:  in.Identifier,
		Version:   first(o.Version, in.Version),
		MinimumOS: first(o.MinimumOS, in.MinimumOS),
		FileName:  fileName,
		Publisher: o.Publisher,
	}
	for _, required := range []struct{ value, key string }{
		{app.BundleID, KeyIdentifier},
		{app.Version, KeyVersion},
		{app.MinimumOS, KeyMinimumOS},
	} {
		if required.value == "" {
			return app, &MissingError{required.key}
		}
	}
	return app, nil
}

// first returns the first value that is not empty.
func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// releaseDate returns the modification time of the bundle. If its file system has none, it is that of Info.plist, or
// else now.
func releaseDate(bundle fs.FS, infoFile fs.File, now time.Time) (time.Time, error) {
	stat, err := fs.Stat(bundle, ".")
	if err != nil {
		return time.Time{}, err
	}
	// A zip without times has 1979 or 1980, which is before any Mac application.
	const noTime = 1980
	if t := stat.ModTime(); t.Year() > noTime {
		return t, nil
	}
	if stat, err = infoFile.Stat(); err != nil {
		return time.Time{}, err
	}
	if t := stat.ModTime(); t.Year() > noTime {
		return t, nil
	}
	if now.IsZero() {
		return now, errors.New("no file in the archive has one: unpack the archive, and use the application itself")
	}
	return now, nil
}

// attributes returns an extension attribute for each script.
func attributes(name string, scripts [][]byte) []patch.ExtensionAttribute {
	key := strings.ReplaceAll(strings.ToLower(name), " ", "-")
	all := make([]patch.ExtensionAttribute, len(scripts))
	for i, script := range scripts {
		all[i] = patch.ExtensionAttribute{
			Key:         key,
			Value:       base64.StdEncoding.EncodeToString(script),
			DisplayName: name,
		}
		if i > 0 {
			all[i].Key += fmt.Sprintf("-%d", i+1)
		}
	}
	return all
}

// Zip makes a definition from the application in a zip. If there are several, it is the one in the least deep
// directory, and of these the first by name.
//
// The error is [ErrNoBundle], one of [New], or one of the zip.
func Zip(z *zip.Reader, opts *Options) (*patch.Definition, error) {
	var files []*zip.File
	if z != nil {
		files = z.File
	}
	best := ""
	for _, f := range files {
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
