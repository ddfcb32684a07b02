package app

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch/envelope"
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
	// AuthorizationFile is a file with the value of the Authorization header that
	// the source wants.
	AuthorizationFile string `json:"authorization_file"`
}

// mirrors returns the sources that the flags name.
func (f *flags) mirrors() ([]patchsync.Mirror, error) {
	var all []patchsync.Mirror
	for _, where := range f.Follow {
		spec := sourceSpec{Folder: where, Remove: f.FollowRemove}
		if strings.Contains(where, "://") {
			spec = sourceSpec{URL: where, Remove: f.FollowRemove}
		}
		m, err := spec.mirror()
		if err != nil {
			return nil, fmt.Errorf("--follow %s: %w", patchsync.RedactURL(where), err)
		}
		all = append(all, m)
	}
	if f.Sources == "" {
		return all, nil
	}
	file, err := os.Open(f.Sources)
	if err != nil {
		return nil, fmt.Errorf("--sources: %w", err)
	}
	defer file.Close()
	var specs []sourceSpec
	dec := json.NewDecoder(io.LimitReader(file, maxSourcesBytes))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&specs); err != nil {
		return nil, fmt.Errorf("--sources %s: it must be a JSON array of sources: %w", f.Sources, err)
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

func (s *sourceSpec) mirror() (patchsync.Mirror, error) {
	m := patchsync.Mirror{
		Name:           s.Name,
		Only:           s.Only,
		Except:         s.Except,
		Author:         s.Author,
		Remove:         s.Remove,
		MaxRemoveShare: s.MaxRemoveShare,
		AllowDowngrade: s.AllowDowngrade,
	}
	if s.Interval != "" {
		d, err := time.ParseDuration(s.Interval)
		if err != nil || d < time.Second {
			return m, fmt.Errorf("interval %q: it must be a duration of a second or more, such as 15m", s.Interval)
		}
		m.Interval = d
	}
	switch {
	case (s.URL == "") == (s.Folder == ""):
		return m, errors.New(`it needs either "url" or "folder"`)
	case s.Folder != "" && (s.Roots != "" || s.RefuseUnsigned):
		return m, errors.New(`"roots" and "refuse_unsigned" are for a url: what is in a folder is trusted`)
	case s.Folder != "" && s.AuthorizationFile != "":
		return m, errors.New(`"authorization_file" is for a url: a folder asks for no credentials`)
	case s.Folder != "":
		if info, err := os.Stat(s.Folder); err != nil || !info.IsDir() {
			return m, fmt.Errorf("%s is no folder, nor an address such as https://example.com/jamf/v1",
				patchsync.RedactURL(s.Folder))
		}
		m.Source = patchsync.Folder(s.Folder)
		m.AllowDowngrade = true // who may write there may also go back
		return m, nil
	}
	opts := &patchsync.PatchSourceOptions{RefuseUnsigned: s.RefuseUnsigned}
	if s.Roots != "" {
		data, err := os.ReadFile(s.Roots)
		if err != nil {
			return m, err
		}
		opts.Roots = x509.NewCertPool()
		if !opts.Roots.AppendCertsFromPEM(data) {
			return m, fmt.Errorf("%s has no certificate in it (PEM)", s.Roots)
		}
	}
	if s.AuthorizationFile != "" {
		opts.Authorization = func() (string, error) { return readAuthorization(s.AuthorizationFile) }
		if _, err := opts.Authorization(); err != nil { // better now than in the first round
			return m, fmt.Errorf("authorization_file %s: %w", s.AuthorizationFile, err)
		}
	}
	m.Source = patchsync.PatchSource(s.URL, opts)
	return m, nil
}

// maxAuthorizationBytes bounds the file of an authorization.
const maxAuthorizationBytes = 16 << 10

// readAuthorization reads the value of an Authorization header from a file of one line.
// The error tells neither the value nor where the file is, since it is shown with the
// state of the source.
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
		return "", fmt.Errorf("its file has more than %d bytes", maxAuthorizationBytes)
	case value == "":
		return "", errors.New(
			"its file is empty: write the value of the Authorization header into it, such as Bearer TOKEN",
		)
	case strings.ContainsAny(value, "\r\n"):
		return "", errors.New(
			"its file has more than one line: write the value of the Authorization header alone into it",
		)
	}
	return value, nil
}

// withoutPath returns an error about a file that does not tell which.
func withoutPath(err error) error {
	var where *fs.PathError
	if errors.As(err, &where) {
		return where.Err
	}
	return err
}

// signer returns what the definitions of the feed are signed with, nil if they are
// not.
func (f *flags) signer() (*envelope.Signer, error) {
	if f.SignCert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(f.SignCert, f.SignKey)
	if err != nil {
		return nil, fmt.Errorf("--sign-cert and --sign-key: %w", err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, errors.New("--sign-key: it must be an RSA or an ECDSA key")
	}
	s := &envelope.Signer{Key: key}
	for i, der := range pair.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("--sign-cert: %w", err)
		}
		if i == 0 {
			s.Certificate = cert
		} else {
			s.Chain = append(s.Chain, cert)
		}
	}
	if _, err := s.Seal(nil); err != nil {
		return nil, fmt.Errorf("--sign-cert and --sign-key: %w", err)
	}
	return s, nil
}
