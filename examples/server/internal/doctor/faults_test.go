package doctor

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// replace returns a fault that replaces a text in the answers for a path.
func replace(path, from, to string) func(*http.Request, *reply) {
	return func(r *http.Request, a *reply) {
		if strings.Contains(r.URL.Path, path) {
			a.body = bytes.ReplaceAll(a.body, []byte(from), []byte(to))
		}
	}
}

// answerWith returns a fault that answers requests for a path with a status and a text. The texts of lists and
// definitions that do not matter are empty.
func answerWith(path string, status int, body string) func(*http.Request, *reply) {
	return func(r *http.Request, a *reply) {
		if strings.HasSuffix(r.URL.Path, path) {
			a.status, a.body = status, []byte(body)
		}
	}
}

// setHeader returns a fault that changes a header of the answers for a path.
func setHeader(path, name, value string) func(*http.Request, *reply) {
	return func(r *http.Request, a *reply) {
		if strings.Contains(r.URL.Path, path) && a.status == http.StatusOK {
			a.header.Set(name, value)
		}
	}
}

// compressed compresses a text.
func compressed(s string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(s)) // a buffer accepts everything
	_ = w.Close()
	return b.Bytes()
}

// withEncoding returns a fault that answers requests for the list that accept an encoding with gzip.
func withEncoding(accepted string, body []byte) func(*http.Request, *reply) {
	return func(r *http.Request, a *reply) {
		if strings.HasSuffix(r.URL.Path, "/software") && r.Header.Get("Accept-Encoding") == accepted {
			a.header.Set("Content-Encoding", "gzip")
			if a.body = body; body == nil {
				a.body = []byte("no gzip")
			}
		}
	}
}

// Each fault of a source is found by its check, and by no unrelated one.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name, check string
		severity    Severity
		fault       func(*http.Request, *reply)
		others      []string
	}{
		{"list is redirected", CheckRedirect, Error, func(r *http.Request, a *reply) {
			if strings.HasSuffix(r.URL.Path, "/software") {
				a.status = http.StatusMovedPermanently
				a.header.Set("Location", "/elsewhere")
			}
		}, nil},
		{"definition is redirected", CheckRedirect, Error, func(r *http.Request, a *reply) {
			if strings.HasSuffix(r.URL.Path, "/patch/TitleAb") {
				a.status = http.StatusFound
				a.header.Set("Location", "https://cdn.example.com/TitleAb")
			}
		}, nil},
		{"list fails", CheckStatus, Error, answerWith("/software", 500, ""), nil},
		{"list needs credentials", CheckStatus, Error, answerWith("/software", 401, ""), nil},
		{"list is HTML", CheckType, Error, setHeader("/software", "Content-Type", "text/html"), nil},
		{"list is Latin-1", CheckType, Error,
			setHeader("/software", "Content-Type", "application/json; charset=iso-8859-1"), nil},
		{"definition is text", CheckType, Error, setHeader("/patch/", "Content-Type", "text/plain"), nil},
		{"list is no JSON", CheckJSON, Error, answerWith("/software", 200, "[{"), nil},
		{"list is no UTF-8", CheckJSON, Error, replace("/software", "Maker", "M\xe4ker"), nil},
		{"list has a byte order mark", CheckJSON, Error, answerWith("/software", 200, "\ufeff[]"), nil},
		{"duplicate members", CheckJSON, Error, replace("/software", `{"name"`, `{"id":"x","name"`), nil},
		{"list is an object", CheckList, Error, answerWith("/software", 200, `{"software":[]}`), nil},
		{"list is null", CheckList, Error, answerWith("/software", 200, "null"), nil},
		{"list is empty", CheckList, Warning, answerWith("/software", 200, "[]"), nil},
		{"missing member", CheckList, Error, replace("/software", `"publisher":"Maker",`, ``), nil},
		{"member is a number", CheckList, Error, replace("/software", `"publisher":"Maker"`, `"publisher":1`), nil},
		{"entry is a string", CheckList, Error, answerWith("/software", 200, `["TitleAa"]`), nil},
		{"invalid id", CheckIDs, Error, replace("/software", `"id":"TitleAb"`, `"id":"Title Ab"`),
			[]string{CheckSelection}},
		{"ids that differ in case", CheckIDs, Error, replace("/software", `"id":"TitleAb"`, `"id":"TITLEAA"`),
			[]string{CheckSelection, CheckAgreement}},
		{"duplicate ids", CheckIDs, Error, replace("/software", `"id":"TitleAb"`, `"id":"TitleAa"`),
			[]string{CheckSelection, CheckAgreement, CheckUnknownIDs}},
		{"no time", CheckLastModified, Error, replace("", `"lastModified":"`, `"lastModified":"on `),
			[]string{CheckDefinition}},
		{"future", CheckLastModified, Error, replace("", `"lastModified":"20`, `"lastModified":"29`),
			[]string{CheckLint}},
		{"only the first id is selected", CheckSelection, Error, func(r *http.Request, a *reply) {
			if strings.Contains(r.URL.Path, "/software/TitleAa,") {
				a.body, _, _ = bytes.Cut(a.body, []byte("},"))
				a.body = append(a.body, "}]"...)
			}
		}, nil},
		{"unknown ids are not found", CheckUnknownIDs, Error, func(r *http.Request, a *reply) {
			if strings.Contains(r.URL.Path, unknownID) {
				a.status = http.StatusNotFound
			}
		}, nil},
		{"definition is missing", CheckDefinition, Error, answerWith("/patch/TitleAb", 404, ""), nil},
		{"definition is invalid", CheckDefinition, Error,
			replace("/patch/TitleAb", `"reboot":false`, `"reboot":"no"`), nil},
		{"definition has another publisher", CheckAgreement, Error, replace("/patch/TitleAb", "Maker", "Other"), nil},
		{"definition has another time", CheckAgreement, Error,
			replace("/patch/TitleAb", `"lastModified":"20`, `"lastModified":"19`), nil},
		{"current version is not the first", CheckAgreement, Error,
			replace("", `"currentVersion":"1.0"`, `"currentVersion":"0.9"`), []string{CheckLint}},
		{"definition has a warning", CheckLint, Warning, replace("/patch/TitleAb",
			`"minimumOperatingSystem":"11.0"`, `"minimumOperatingSystem":"10.9"`), nil},
		{"unknown title", CheckUnknownTitle, Error, answerWith("/patch/"+unknownID, 200, "{}"), nil},
		{"HEAD is refused", CheckHead, Warning, func(r *http.Request, a *reply) {
			if r.Method == http.MethodHead {
				a.status = http.StatusMethodNotAllowed
			}
		}, nil},
		{"HEAD has another length", CheckHead, Warning, func(r *http.Request, a *reply) {
			if r.Method == http.MethodHead {
				a.header.Set("Content-Length", "7")
			}
		}, nil},
		{"doubled slash", CheckSlashes, Warning, answerWith("//software", 404, ""), nil},
		{"doubled slash is redirected", CheckRedirect, Error, func(r *http.Request, a *reply) {
			if strings.Contains(r.URL.Path, "//") {
				a.status = http.StatusMovedPermanently
				a.header.Set("Location", "/jamf/v1/software")
			}
		}, []string{CheckSlashes}},
		{"compressed list is old", CheckCompression, Error, withEncoding("gzip", compressed("[]")), nil},
		{"compressed list is broken", CheckCompression, Error, withEncoding("gzip", nil), nil},
		{"another compression", CheckCompression, Error, func(r *http.Request, a *reply) {
			if r.Header.Get("Accept-Encoding") == "gzip" {
				a.header.Set("Content-Encoding", "br")
			}
		}, nil},
		{"compressed without being asked", CheckCompression, Error, func(r *http.Request, a *reply) {
			if strings.HasSuffix(r.URL.Path, "/software") && r.Method == http.MethodGet {
				a.header.Set("Content-Encoding", "gzip")
				a.body = compressed(string(a.body))
			}
		}, nil},
		{"large list", CheckSize, Warning, func(r *http.Request, a *reply) {
			if strings.HasSuffix(r.URL.Path, "/software") {
				a.body = append(a.body, bytes.Repeat([]byte(" "), largeListBytes)...)
			}
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := start(t, withFault(newSource(t, nil, 3), c.fault))
			expect(t, examine(t, address, nil), c.check, c.severity, c.others...)
		})
	}
}

// A slow source is a warning.
func TestLatency(t *testing.T) {
	clock := time.Now()
	slow := func(r *http.Request, _ *reply) {
		if strings.HasSuffix(r.URL.Path, "/patch/TitleAa") {
			clock = clock.Add(maxLatency + time.Second)
		}
	}
	address := start(t, withFault(newSource(t, nil, 1), slow))
	r := examine(t, address, &Options{Now: func() time.Time { return clock }})
	expect(t, r, CheckLatency, Warning)
}

// A connection that ends in an answer is an error.
func TestTruncated(t *testing.T) {
	address := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("[")) // if it fails, the client sees it
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	r := examine(t, address, nil)
	expect(t, r, CheckStatus, Error)
	if !r.Reached {
		t.Error("the source is not reached")
	}
}

// Signed definitions are opened. Those that were changed or signed with an old certificate are found.
func TestSignatures(t *testing.T) {
	plain := newSource(t, nil, 2)
	signed := newSource(t, newSigner(t, nil), 2)
	t.Run("changed", func(t *testing.T) {
		address := start(t, withFault(signed, replace("/patch/", "Maker", "Taker")))
		expect(t, examine(t, address, nil), CheckSignature, Error)
	})
	t.Run("only some", func(t *testing.T) {
		address := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/patch/TitleAa") {
				signed.ServeHTTP(w, r)
				return
			}
			plain.ServeHTTP(w, r)
		}))
		expect(t, examine(t, address, nil), CheckSignature, Warning, CheckAgreement)
	})
	t.Run("expired", func(t *testing.T) {
		address := start(t, signed)
		later := func() time.Time { return time.Now().Add(2 * 365 * 24 * time.Hour) }
		expect(t, examine(t, address, &Options{Now: later}), CheckSignature, Warning)
	})
}

// Many findings of one kind are counted, and not reported one by one.
func TestManyFindings(t *testing.T) {
	address := start(t, withFault(newSource(t, nil, 60), replace("/patch/", "Maker", "Other")))
	r := examine(t, address, nil)
	expect(t, r, CheckAgreement, Error)
	if r.Examined != maxSample || r.Count(Error) != maxRepeated+1 {
		t.Errorf("%d definitions and %d errors, want %d and %d", r.Examined, r.Count(Error), maxSample, maxRepeated+1)
	}
	if r := examine(t, address, &Options{All: true}); r.Examined != 60 {
		t.Errorf("%d definitions with All, want 60", r.Examined)
	}
}

// Text of the server cannot disturb a terminal.
func TestPrintable(t *testing.T) {
	address := start(t, withFault(newSource(t, nil, 1), replace("/patch/", `"reboot"`, `"\u001b[2J"`)))
	for _, f := range examine(t, address, nil).Findings {
		if strings.ContainsAny(f.Message, "\x1b\n") {
			t.Errorf("%q", f.Message)
		}
	}
}

// A server that is not a patch source is found to be none.
func TestOtherServer(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	r := examine(t, s.URL, nil)
	expect(t, r, CheckStatus, Error)
	if r.URL != s.URL {
		t.Errorf("URL %s, want %s", r.URL, s.URL)
	}
}
