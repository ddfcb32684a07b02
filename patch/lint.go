package patch

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// LintOptions are options of [Lint], [LintContext] and [Fix]. Nil means the zero value.
type LintOptions struct {
	// Now is the time with which release dates are compared. If zero, the rule on future dates is not applied.
	Now time.Time
	// Off are the codes of rules that are not applied.
	Off []string
	// Errors are the codes of rules whose warnings are marked as errors.
	Errors []string
	// About selects warnings by code and path. If nil, all warnings are returned.
	About func(code, path string) bool
	// Patches selects patches by their indices. If it is not nil, only these are examined, each together with the one
	// before it. Warnings about the title as a whole, its requirements and its extension attributes are never returned
	// then.
	Patches func(i int) bool
}

// Lint returns warnings about what is allowed in a definition but probably a mistake: what Jamf Pro accepts without a
// message and then handles in an unexpected way. d must be valid, empty or nil. At most [MaxFailures] warnings are
// returned, and as many errors.
//
// The rules are those of Jamf's documentation of external patch sources, and of its tables of criteria and
// operators; see [Rules]. Lint is safe for concurrent use.
func Lint(d *Definition, opts *LintOptions) []Warning {
	warnings, _ := LintContext(context.Background(), d, opts) // it fails only when its context ends
	return warnings
}

// LintContext is like [Lint] but stops when ctx ends. It then returns no warnings, and the error of ctx.
func LintContext(ctx context.Context, d *Definition, opts *LintOptions) ([]Warning, error) {
	return lint(ctx, d, opts, MaxFailures)
}

// lint returns at most maxWarnings warnings, and as many errors.
func lint(ctx context.Context, d *Definition, opts *LintOptions, maxWarnings int) ([]Warning, error) {
	if d == nil {
		return nil, ctx.Err()
	}
	l := &linter{ctx: ctx, d: d, maxWarnings: maxWarnings, regexes: newRegexes()}
	if opts != nil {
		l.opts = *opts
	}
	l.keys = make(map[string]bool, len(d.ExtensionAttributes))
	for i := range d.ExtensionAttributes {
		l.keys[d.ExtensionAttributes[i].Key] = true
	}
	if l.opts.Patches != nil {
		l.some()
	} else {
		l.newerRules()
		l.title()
		l.each("patches", len(d.Patches), l.patch)
		l.attributes()
	}
	if l.err == nil {
		l.err = ctx.Err()
	}
	if l.err != nil {
		return nil, l.err
	}
	return l.warnings, nil
}

// A linter collects warnings and keeps the path of the value that is being examined.
type linter struct {
	ctx         context.Context
	err         error // of ctx
	steps       int   // since the start
	d           *Definition
	opts        LintOptions
	maxWarnings int
	counts      [2]int // of warnings, and of errors
	warnings    []Warning
	at          []byte          // the path
	keys        map[string]bool // of the extension attributes
	regexes     *regexes
}

// lasts reports whether ctx has not ended. It asks ctx once in some hundred calls.
func (l *linter) lasts() bool {
	const stepsPerCheck = 256
	if l.steps++; l.err == nil && l.steps%stepsPerCheck == 0 {
		l.err = l.ctx.Err()
	}
	return l.err == nil
}

// each calls visit for the index of each element of the list that is the member called name.
func (l *linter) each(name string, length int, visit func(i int)) {
	outer := len(l.at)
	l.at = append(append(append(l.at, '/'), name...), '/')
	inner := len(l.at)
	for i := 0; i < length && l.lasts(); i++ {
		l.at = strconv.AppendInt(l.at[:inner], int64(i), 10)
		visit(i)
	}
	l.at = l.at[:outer]
}

// warn adds a warning about a member of the current value.
func (l *linter) warn(code, member, format string, args ...any) {
	l.warnFix(code, member, "", format, args...)
}

// warnFix adds a warning about a member of the current value. fix describes what Fix does about it.
func (l *linter) warnFix(code, member, fix, format string, args ...any) {
	if !slices.Contains(l.opts.Off, code) {
		l.add(code, string(l.at)+"/"+member, fix, format, args...)
	}
}

// add adds a warning with a path, unless it is not wanted.
func (l *linter) add(code, path, fix, format string, args ...any) {
	isError := slices.Contains(l.opts.Errors, code)
	count := &l.counts[0]
	if isError {
		count = &l.counts[1] // counted apart, so that no number of warnings hides an error
	}
	if *count == l.maxWarnings || slices.Contains(l.opts.Off, code) ||
		l.opts.About != nil && !l.opts.About(code, path) {
		return
	}
	*count++
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = shorten(s)
		}
	}
	l.warnings = append(l.warnings, Warning{
		Code:    code,
		Path:    path,
		Message: fmt.Sprintf(format, args...),
		Fix:     shorten(fix),
		Error:   isError,
	})
}

// some examines the patches that are selected.
func (l *linter) some() {
	var selected []int
	for i := range l.d.Patches {
		if l.opts.Patches(i) {
			selected = append(selected, i)
		}
	}
	p := l.newerPolicy()
	for _, i := range selected {
		p.patchAt(l.d, i)
	}
	for _, i := range selected {
		if l.lasts() {
			l.at = strconv.AppendInt(append(l.at[:0], "/patches/"...), int64(i), 10)
			l.patch(i)
		}
	}
	l.at = l.at[:0]
}

// newerRules warns about what a stored definition may have and a new one may not.
func (l *linter) newerRules() { l.newerPolicy().definition(l.d, nil) }

// newerPolicy returns a policy that warns.
func (l *linter) newerPolicy() *policy {
	return &policy{report: func(code, message string, path []string) {
		at := "/" + strings.Join(path, "/")
		l.add(code, at, "",
			"%s %s; a new definition may not have this, but a stored one keeps it until it is changed", at, message)
	}}
}
