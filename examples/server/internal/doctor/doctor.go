// Package doctor checks a running patch source the way Jamf Pro reads it, and reports what Jamf Pro would complain
// about. It only reads, and it follows no redirect, because Jamf Pro does not.
package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A Severity is how serious a finding is.
type Severity string

const (
	// OK means that a check found nothing to complain about.
	OK Severity = "ok"
	// Warning means that the source works, but perhaps not always or not as intended.
	Warning Severity = "warning"
	// Error means that Jamf Pro cannot use the source, or a part of it.
	Error Severity = "error"
)

// The names of the checks, in the order in which they are made.
const (
	CheckAddress      = "address"       // the address that was typed
	CheckConnect      = "connect"       // the connection
	CheckCertificate  = "certificate"   // the certificate of the server
	CheckTLSVersion   = "tls-version"   // the version of TLS
	CheckRedirect     = "redirect"      // no answer is a redirect
	CheckStatus       = "status"        // the status of the list
	CheckType         = "content-type"  // the content type of the list and of the definitions
	CheckSize         = "size"          // the size of the list
	CheckJSON         = "json"          // the list is JSON
	CheckList         = "list"          // the list is an array of summaries
	CheckIDs          = "ids"           // the ids are valid and unique
	CheckLastModified = "last-modified" // the times of the last changes
	CheckSelection    = "selection"     // the list of several titles
	CheckUnknownIDs   = "unknown-ids"   // the list of titles that do not exist
	CheckHead         = "head"          // HEAD agrees with GET
	CheckSlashes      = "slashes"       // paths with a doubled slash
	CheckCompression  = "compression"   // the compressed list
	CheckUnknownTitle = "unknown-title" // the definition of a title that does not exist
	CheckDefinition   = "definition"    // the definitions are valid
	CheckAgreement    = "agreement"     // the definitions agree with the list
	CheckSignature    = "signature"     // the signatures of the definitions
	CheckLint         = "lint"          // the definitions are as Jamf Pro expects
	CheckLatency      = "latency"       // the time until an answer
	CheckComplete     = "complete"      // all checks were made
)

// A Finding is the result of one check.
type Finding struct {
	Check    string   `json:"check"`
	Severity Severity `json:"severity"`
	// Message says what was found and, unless the severity is OK, how to mend it.
	Message string `json:"message"`
}

// Options are options of [Examine]. Nil means the zero value.
type Options struct {
	// Transport sends the requests. If nil, it is an HTTP client that trusts Roots and reports problems of TLS in
	// detail.
	Transport http.RoundTripper
	// Roots are the trusted authorities. If nil, they are those of the system.
	Roots *x509.CertPool
	// All examines every definition, and not only a sample of at most 50.
	All bool
	// Connection examines only the address, the connection and its certificate, and whether the list is redirected.
	Connection bool
	// NoFlags leaves out what the messages say about the flags of patchsource doctor.
	NoFlags bool
	// Timeout bounds the whole examination. The default is five minutes. One request takes at most 30 s.
	Timeout time.Duration
	// Now is the clock. If nil, it is time.Now.
	Now func() time.Time
}

// A Report is the result of [Examine].
type Report struct {
	// URL is the base address of the feed that was examined.
	URL string `json:"url"`
	// Reached reports whether the server answered a request. A server whose certificate is refused was reached, too.
	Reached bool `json:"reached"`
	// Certificate is the one of the server, also if it is refused. It is nil if there was none.
	Certificate *Certificate `json:"certificate,omitempty"`
	// Titles is the number of titles in the list, and Examined the number of definitions that were read.
	Titles   int `json:"titles"`
	Examined int `json:"examined"`
	// Findings are the findings in the order of the checks.
	Findings []Finding `json:"findings"`
}

// A Certificate is what a report says about the certificate of the server.
type Certificate struct {
	Names    string    `json:"names"`
	Issuer   string    `json:"issuer"`
	NotAfter time.Time `json:"not_after"`
}

// Count returns the number of findings with a severity.
func (r *Report) Count(s Severity) (n int) {
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

const (
	defaultTimeout = 5 * time.Minute
	requestTimeout = 30 * time.Second
	maxLatency     = 5 * time.Second // more is a warning
	maxSample      = 50              // definitions that are read without Options.All
	maxRequests    = 50_000
	maxListBytes   = 64 << 20
	largeListBytes = 10 << 20 // more is a warning
	maxRepeated    = 10       // findings of one check and one severity that are reported one by one
)

// errTooMany means that maxRequests is reached.
var errTooMany = errors.New("too many requests")

// An examination is the state of Examine.
type examination struct {
	transport http.RoundTripper
	now       func() time.Time
	options   Options

	base       string // the address of the feed, without a slash at its end
	report     *Report
	requests   int
	slowest    time.Duration
	slowestURL string
	redirects  int
	valid      int             // the number of definitions that are valid
	left       map[Finding]int // the numbers of findings that were not reported one by one, without a message
}

// Examine examines a patch source. The address is as an administrator types it: a URL, or a host with or without a
// port and a path. It returns an error only if the address is not one that can be examined; everything else is a
// finding. It is safe for concurrent use.
func Examine(ctx context.Context, address string, opts *Options) (*Report, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	parsed, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	if o.Transport == nil {
		t := newTransport(o.Roots, o.Now)
		defer t.CloseIdleConnections()
		o.Transport = t
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	e := &examination{
		transport: o.Transport,
		now:       o.Now,
		options:   o,
		report:    &Report{Findings: []Finding{}},
		left:      map[Finding]int{},
	}
	e.run(ctx, parsed)
	e.finish(ctx)
	return e.report, nil
}

// run makes the checks in their order, until one of them makes the others impossible.
func (e *examination) run(ctx context.Context, a *address) {
	list := e.connect(ctx, a)
	if list == nil || e.options.Connection {
		return
	}
	titles, ok := e.checkList(list)
	if !ok {
		return
	}
	e.report.Titles = len(titles)
	e.checkSelections(ctx, titles)
	e.checkHead(ctx, list)
	e.checkSlashes(ctx, list)
	e.checkCompression(ctx, list)
	e.checkUnknownTitle(ctx)
	e.checkDefinitions(ctx, titles)
}

// finish adds the findings about all requests together.
func (e *examination) finish(ctx context.Context) {
	e.addLeft()
	if e.report.Reached && e.redirects == 0 {
		e.add(CheckRedirect, OK, "no answer is a redirect")
	}
	switch {
	case e.slowest > maxLatency:
		e.addf(CheckLatency, Warning, "%s took %s: Jamf Pro asks again and again and gives up on slow sources; find "+
			"out what slows down the server or its proxy", e.slowestURL, e.slowest.Round(100*time.Millisecond))
	case e.report.Reached && e.requests > 1:
		e.addf(CheckLatency, OK, "the slowest of %s took %s", plural(e.requests, "request"),
			max(e.slowest.Round(time.Millisecond), time.Millisecond))
	}
	switch err := ctx.Err(); {
	case errors.Is(err, context.DeadlineExceeded):
		e.add(CheckComplete, Error, "not everything was checked: the time was over"+
			e.hint("; allow more with --timeout"))
	case err != nil:
		e.add(CheckComplete, Error, "not everything was checked: the check was interrupted")
	case e.requests >= maxRequests:
		e.addf(CheckComplete, Warning, "not everything was checked: it takes more than %d requests", maxRequests)
	}
}

// hint returns what a message says about flags, unless the options leave it out.
func (e *examination) hint(text string) string {
	if e.options.NoFlags {
		return ""
	}
	return text
}

// addLeft adds the numbers of the findings that were not reported one by one.
func (e *examination) addLeft() {
	byCheck := func(a, b Finding) int { return strings.Compare(a.Check, b.Check) }
	for _, f := range slices.SortedFunc(maps.Keys(e.left), byCheck) {
		f.Message = plural(e.left[f], "further finding") + " of this kind: mend the ones above and repeat the check"
		e.report.Findings = append(e.report.Findings, f)
	}
	e.left = map[Finding]int{}
}

// add adds a finding. Only the first findings of one kind are kept one by one.
func (e *examination) add(check string, s Severity, message string) {
	n := 0
	for _, f := range e.report.Findings {
		if f.Check == check && f.Severity == s {
			n++
		}
	}
	if n >= maxRepeated {
		e.left[Finding{Check: check, Severity: s}]++
		return
	}
	e.report.Findings = append(e.report.Findings, Finding{Check: check, Severity: s, Message: printable(message)})
}

// failed reports whether a check has a finding that is not OK.
func (e *examination) failed(check string) bool {
	for _, f := range e.report.Findings {
		if f.Check == check && f.Severity != OK {
			return true
		}
	}
	return false
}

// printable replaces characters that would disturb a terminal: messages quote what the server sent.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= 0x202a && r <= 0x202e ||
			r >= 0x2066 && r <= 0x2069 {
			return '\ufffd'
		}
		return r
	}, s)
}
