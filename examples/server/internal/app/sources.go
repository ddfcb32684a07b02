package app

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	patchsync "github.com/patchsource/patchsource/sync"
)

// maxSourcesBytes bounds the file of --sources.
const maxSourcesBytes = 10 << 20

// A sourceSpec is a source in the file of --sources.
type sourceSpec struct {
	URL            string   `json:"url"`
	Folder         string   `json:"folder"`
	Name           string   `json:"name"`
	Only           []string `json:"only"`
	Except         []string `json:"except"`
	Author         string   `json:"author"`
	Remove         bool     `json:"remove"`
	MaxRemoveShare float64  `json:"max_remove_share"`
	AllowDowngrade bool     `json:"allow_downgrade"`
	Interval       string   `json:"interval"`
	RefuseUnsigned bool     `json:"refuse_unsigned"`
	Roots          string   `json:"roots"` // a file of certificates
	// AuthorizationFile is a file with the value of the Authorization header that the source requires.
	AuthorizationFile string `json:"authorization_file"`
}

// mirrors returns the sources that the flags name.
func (f *flags) mirrors() ([]patchsync.Mirror, error) {
	var all []patchsync.Mirror
	for _, location := range f.Follow {
		spec := sourceSpec{Folder: location, Remove: f.FollowRemove}
		if strings.Contains(location, "://") {
			spec = sourceSpec{URL: location, Remove: f.FollowRemove}
		}
		m, err := spec.mirror()
		if err != nil {
			return nil, fmt.Errorf("--follow %s: %w", patchsync.RedactURL(location), err)
		}
		all = append(all, m)
	}
	specs, err := readSources(f.Sources)
	if err != nil {
		return nil, err
	}
	for i, spec := range specs {
		m, err := spec.mirror()
		if err != nil {
			return nil, fmt.Errorf("--sources %s: source %d: %w", f.Sources, i+1, err)
		}
		all = append(all, m)
	}
	return all, nil
}

// readSources reads the file of --sources. If name is empty, there are none.
func readSources(name string) (specs []sourceSpec, err error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("--sources: %w", err)
	}
	defer file.Close()
	dec := json.NewDecoder(io.LimitReader(file, maxSourcesBytes))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&specs); err != nil {
		return nil, fmt.Errorf("--sources %s: it must be a JSON array of sources: %w", name, err)
	}
	return specs, nil
}

// mirror returns the mirror of a source.
func (s *sourceSpec) mirror() (m patchsync.Mirror, err error) {
	m = patchsync.Mirror{
		Name:           s.Name,
		Only:           s.Only,
		Except:         s.Except,
		Author:         s.Author,
		Remove:         s.Remove,
		MaxRemoveShare: s.MaxRemoveShare,
		AllowDowngrade: s.AllowDowngrade,
	}
	if s.MaxRemoveShare < 0 {
		return m, fmt.Errorf("max_remove_share %v: it must lie between 0 and 1", s.MaxRemoveShare)
	}
	if s.Interval != "" {
		m.Interval, err = time.ParseDuration(s.Interval)
		if err != nil || m.Interval < time.Second {
			return m, fmt.Errorf("interval %q: it must be a duration of a second or more, such as 15m", s.Interval)
		}
	}
	switch {
	case (s.URL == "") == (s.Folder == ""):
		return m, errors.New(`it needs either "url" or "folder"`)
	case s.Folder != "":
		m.AllowDowngrade = true // a folder may be reset to an earlier state
		m.Source, err = s.folder()
	default:
		m.Source, err = s.patchSource()
	}
	return m, err
}

// folder returns the source of a folder.
func (s *sourceSpec) folder() (patchsync.Source, error) {
	if s.Roots != "" || s.RefuseUnsigned {
		return nil, errors.New(`"roots" and "refuse_unsigned" are for a url: the definitions in a folder are trusted`)
	}
	if s.AuthorizationFile != "" {
		return nil, errors.New(`"authorization_file" is for a url: a folder needs no credentials`)
	}
	if info, err := os.Stat(s.Folder); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s is neither a folder nor a URL such as https://example.com/jamf/v1",
			patchsync.RedactURL(s.Folder))
	}
	return patchsync.Folder(s.Folder), nil
}

// patchSource returns the source of a URL.
func (s *sourceSpec) patchSource() (patchsync.Source, error) {
	opts := &patchsync.PatchSourceOptions{RefuseUnsigned: s.RefuseUnsigned}
	if s.Roots != "" {
		data, err := os.ReadFile(s.Roots)
		if err != nil {
			return nil, err
		}
		opts.Roots = x509.NewCertPool()
		if !opts.Roots.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("%s contains no certificate (PEM)", s.Roots)
		}
	}
	if s.AuthorizationFile != "" {
		opts.Authorization = func() (string, error) { return readAuthorization(s.AuthorizationFile) }
		if _, err := opts.Authorization(); err != nil { // fail now rather than in the first round
			return nil, fmt.Errorf("authorization_file %s: %w", s.AuthorizationFile, err)
		}
	}
	return patchsync.PatchSource(s.URL, opts), nil
}

// maxAuthorizationBytes bounds the file of an authorization.
const maxAuthorizationBytes = 16 << 10

// readAuthorization reads the value of an Authorization header from a file of one line. The state of the source shows
// the error, so it contains neither the value nor the path of the file.
func readAuthorization(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", withoutPath(err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxAuthorizationBytes+1))
	if err != nil {
		return "", withoutPath(err)
	}
	value := strings.TrimSpace(string(data))
	switch {
	case len(data) > maxAuthorizationBytes:
		return "", fmt.Errorf("the file has more than %d bytes", maxAuthorizationBytes)
	case value == "":
		return "", errors.New("the file is empty: write the value of the Authorization header into it, " +
			"such as Bearer TOKEN")
	case strings.ContainsAny(value, "\r\n"):
		return "", errors.New("the file has more than one line: write only the value of the Authorization header " +
			"into it")
	}
	return value, nil
}

// withoutPath returns an error about a file without the file's path.
func withoutPath(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
