package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/patchsource/patchsource/examples/internal/report"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

// expectedFile is the file in a folder of recordings that has the newest versions, by the ids of the recipes.
const expectedFile = "expected.json"

// A recording is a request and its answer in a file.
type recording struct {
	Method string `json:"method"`
	URL    string `json:"url"` // without secrets
	Answer struct {
		Status int         `json:"status"`
		Header http.Header `json:"header,omitempty"`
		// Body is the body. If Base64 is true, it is not text, and encoded.
		Body   string `json:"body,omitempty"`
		Base64 bool   `json:"base64,omitempty"`
	} `json:"answer"`
}

// recordedHeaders are the headers of answers that recordings have, besides that which a feed reads. Others may have
// secrets, such as cookies.
var recordedHeaders = []string{"Content-Type", "Content-Disposition", "Link", "Location"}

// unsafe matches what the name of a recording does not have.
var unsafe = regexp.MustCompile(`[^a-z0-9.-]+`)

// recordingName returns the name of the file of a request: its host and a hash of it, so that the file is found again.
func recordingName(q releases.Request) string {
	host := "unknown"
	if u, err := url.Parse(q.URL); err == nil && u.Host != "" {
		host = unsafe.ReplaceAllString(strings.ToLower(u.Host), "-")
	}
	sum := sha256.Sum256([]byte(method(q) + " " + q.URL))
	return fmt.Sprintf("%s-%x.json", host, sum[:6])
}

func method(q releases.Request) string {
	if q.Method == "" {
		return http.MethodGet
	}
	return q.Method
}

// withoutSecrets returns an address as a server shows it.
func withoutSecrets(address string) string {
	f := recipe.Feed{URL: address}
	return f.Redacted().URL
}

// newRecording returns the recording of an answer, with these headers of it.
func newRecording(q releases.Request, a releases.Answer, headers []string) recording {
	r := recording{Method: method(q), URL: withoutSecrets(q.URL)}
	r.Answer.Status = a.Status
	r.Answer.Header = http.Header{}
	for _, name := range headers {
		for _, value := range a.Header.Values(name) {
			if strings.EqualFold(name, "Location") {
				value = withoutSecrets(value)
			}
			r.Answer.Header.Add(name, value)
		}
	}
	if utf8.Valid(a.Body) {
		r.Answer.Body = string(a.Body)
	} else {
		r.Answer.Body, r.Answer.Base64 = base64.StdEncoding.EncodeToString(a.Body), true
	}
	return r
}

// A recorder writes answers to a folder. It is safe for concurrent use.
type recorder struct {
	dir string

	mu       sync.Mutex
	headers  []string          // that recordings have
	expected map[string]string // versions, by the ids of recipes
	err      error             // the first one
}

// newRecorder returns a recorder of a folder, which it creates. The expected versions of other recipes stay.
func newRecorder(dir string) (*recorder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("--record: %w", err)
	}
	expected, err := readExpected(dir)
	if errors.Is(err, fs.ErrNotExist) {
		expected, err = map[string]string{}, nil
	}
	return &recorder{dir: dir, headers: recordedHeaders, expected: expected}, err
}

// observe writes an answer.
func (r *recorder) observe(q releases.Request, a releases.Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = writeJSON(filepath.Join(r.dir, recordingName(q)), newRecording(q, a, r.headers))
	}
}

// keep adds the header that a feed reads to those that recordings have.
func (r *recorder) keep(header string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if header != "" && !slices.Contains(r.headers, header) {
		r.headers = append(slices.Clip(r.headers), header)
	}
}

// expect notes the newest version of a recipe.
func (r *recorder) expect(id, version string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expected[id] = version
}

// finish writes the expected versions. The error is the first one of the recorder.
func (c *checker) finish() error {
	r := c.recorder
	if r == nil {
		return nil
	}
	if r.err != nil {
		return fmt.Errorf("--record: %w", r.err)
	}
	return writeJSON(filepath.Join(r.dir, expectedFile), r.expected)
}

// writeJSON replaces a file by indented JSON.
func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return report.Replace(path, append(data, '\n'), 0o644)
}

// readExpected reads the expected versions in a folder of recordings.
func readExpected(dir string) (expected map[string]string, err error) {
	path := filepath.Join(dir, expectedFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &expected); err != nil || expected == nil {
		return nil, fmt.Errorf("%s: it must be an object of versions by the ids of recipes: %w", path, err)
	}
	return expected, nil
}

// recordings reads answers that a recorder wrote.
type recordings struct {
	dir      string
	kinds    *releases.Kinds
	expected map[string]string // nil unless they are needed
}

// open checks the folder, and reads the expected versions if they are needed.
func (r *recordings) open(needExpected bool) (err error) {
	if _, err := os.ReadDir(r.dir); err != nil {
		return fmt.Errorf("--offline: %w", err)
	}
	if needExpected {
		r.expected, err = readExpected(r.dir)
	}
	return err
}

// maxPages bounds the answers for one feed.
const maxPages = 5

// Read implements source.
func (r *recordings) Read(_ context.Context, f recipe.Feed) (found []recipe.Release, err error) {
	a, err := r.first(f)
	for err == nil {
		page, next, err := r.kinds.Read(f, a)
		if err != nil {
			return nil, err
		}
		found = append(found, page...)
		if next == nil {
			return found, nil
		}
		pages := a.Pages + 1
		if pages >= maxPages {
			return nil, errors.New("the feed needs too many requests")
		}
		if a, err = r.answer(*next); err != nil {
			return nil, err
		}
		a.Pages = pages
	}
	return nil, err
}

// first returns the first answer of a feed. With a token, another address may have been asked.
func (r *recordings) first(f recipe.Feed) (releases.Answer, error) {
	q, err := r.kinds.Request(f, false)
	if err != nil {
		return releases.Answer{}, err
	}
	a, err := r.answer(q)
	if !errors.Is(err, fs.ErrNotExist) {
		return a, err
	}
	if q, otherErr := r.kinds.Request(f, true); otherErr == nil {
		if a, otherErr := r.answer(q); otherErr == nil {
			return a, nil
		}
	}
	return a, err
}

// answer returns the recorded answer to a request. The error is an fs.ErrNotExist if there is none.
func (r *recordings) answer(q releases.Request) (a releases.Answer, err error) {
	path := filepath.Join(r.dir, recordingName(q))
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return a, &missingError{fmt.Sprintf("there is no recorded answer to %s %s (%s): record it with check --record",
			method(q), withoutSecrets(q.URL), filepath.ToSlash(path))}
	} else if err != nil {
		return a, err
	}
	var saved recording
	if err := json.Unmarshal(data, &saved); err != nil {
		return a, fmt.Errorf("%s is not a recording: %w", path, err)
	}
	a = releases.Answer{
		URL:    q.URL,
		Status: saved.Answer.Status,
		Header: saved.Answer.Header,
		Body:   []byte(saved.Answer.Body),
	}
	if saved.Answer.Base64 {
		if a.Body, err = base64.StdEncoding.DecodeString(saved.Answer.Body); err != nil {
			return a, fmt.Errorf("%s is not a recording: %w", path, err)
		}
	}
	return a, nil
}

// A missingError is an fs.ErrNotExist with a message for people.
type missingError struct{ message string }

func (e *missingError) Error() string        { return e.message }
func (e *missingError) Is(target error) bool { return target == fs.ErrNotExist }
