package appbundle

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"howett.net/plist"
)

// The keys of Info.plist that are read.
const (
	KeyName       = "CFBundleName"
	KeyVersion    = "CFBundleShortVersionString"
	KeyIdentifier = "CFBundleIdentifier"
	KeyMinimumOS  = "LSMinimumSystemVersion"
)

// maxPropertyList is the maximum size of an Info.plist in bytes. Most have a few kilobytes; the parser allocates a
// multiple of what it reads.
const maxPropertyList = 1 << 20

// info is the part of an Info.plist that is read. No other key becomes a Go value, so that a small file cannot expand.
type info struct {
	Name       string `plist:"CFBundleName"`
	Version    string `plist:"CFBundleShortVersionString"`
	Identifier string `plist:"CFBundleIdentifier"`
	MinimumOS  string `plist:"LSMinimumSystemVersion"`
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
	// The parser panics on some corrupt data.
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", ErrPropertyList, v)
		}
	}()
	if _, err := plist.Unmarshal(data, &in); err != nil {
		return in, fmt.Errorf("%w: %w", ErrPropertyList, err)
	}
	for _, s := range []*string{&in.Name, &in.Version, &in.Identifier, &in.MinimumOS} {
		*s = strings.TrimSpace(*s)
	}
	return in, nil
}
