package patch

import "github.com/patchsource/patchsource/patch/internal/tokens"

// DefaultMaxBytes is the size in bytes of the largest text that is read if [ParseOptions] does not set another: 10 MiB.
const DefaultMaxBytes = 10 << 20

// ParseOptions are options of [Parse], [ParsePatch], [ParseRepair] and [CheckSyntax]. Nil means the zero value.
type ParseOptions struct {
	// MaxBytes is the size in bytes of the largest text that is read. The default is [DefaultMaxBytes]; a negative
	// number means no limit.
	MaxBytes int
	// At is the JSON Pointer of the text within the document that contains it. It is put in front of the path of every
	// failure.
	At string
	// Over is the definition that the text replaces: the result is checked as by [Definition.ValidateOver]. It may be
	// nil.
	Over *Definition
	// Stored marks a text that was accepted earlier, perhaps under fewer rules: lists may have any length, text may
	// have invisible characters, and Over is ignored.
	Stored bool
	// MaxUnknown is the maximum number of unknown members. The default is [MaxUnknown], or as many as Over has if
	// these are more; if Stored is set, it is no limit. A negative number means no limit.
	MaxUnknown int
}

// Parse reads a patch definition from untrusted JSON. The result has passed [Definition.Validate]; lastModified and
// currentVersion, which a source sets itself, may be empty (see [Definition.Complete]).
//
// It returns [ErrTooLarge] if the text is larger than opts allows. Otherwise the error is [ErrInvalid]: a
// *[SyntaxError] if the text is not JSON, or a *[ValidationError] that lists every failure. Parse is safe for
// concurrent use.
func Parse(data []byte, opts *ParseOptions) (*Definition, error) {
	return parse(data, opts, (*reader).definition, checkDefinition)
}

// ParsePatch reads one version of a title from untrusted JSON. Its rules and errors are those of [Parse].
func ParsePatch(data []byte, opts *ParseOptions) (*Patch, error) {
	return parse(data, opts, (*reader).onePatch, checkOnePatch)
}

// ParseDraft reads a definition that need not be complete: members may be missing, and the rules of
// [Definition.Validate] are not applied. Values of a wrong type are failures, and left out of the definition. The
// limits on lists hold, and what exceeds them is a failure too.
//
// The error is [ErrTooLarge], or [ErrInvalid] if the text is no JSON. [Parse] returns all reasons for which a draft
// cannot be published.
func ParseDraft(data []byte, opts *ParseOptions) (*Definition, []Failure, error) {
	if err := CheckSyntax(data, opts); err != nil {
		return nil, nil, err
	}
	r := newReader(data, opts)
	r.draft = true
	d := &Definition{}
	r.definition(d)
	if r.Err() != nil {
		return nil, nil, decodeError(data, r.Err())
	}
	return d, r.failures, nil
}

// newReader returns a reader of a text that CheckSyntax has accepted.
func newReader(data []byte, opts *ParseOptions) *reader {
	r := &reader{
		Reader:     tokens.NewReader(data),
		checker:    newChecker(opts),
		max:        unlimited,
		maxUnknown: opts.maxUnknown(),
	}
	if r.policy != nil {
		r.max = r.policy.limits()
	}
	return r
}

// parse checks the syntax of data, reads a value from it and checks the value.
func parse[T any](data []byte, opts *ParseOptions, read func(*reader, *T), check func(*checker, *T)) (*T, error) {
	if err := CheckSyntax(data, opts); err != nil {
		return nil, err
	}
	r := newReader(data, opts)
	value := new(T)
	read(r, value)
	if r.Err() != nil {
		return nil, decodeError(data, r.Err())
	}
	check(r.checker, value)
	if err := r.result(); err != nil {
		return nil, err
	}
	return value, nil
}
