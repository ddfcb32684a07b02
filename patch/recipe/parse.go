package recipe

import (
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/internal/tokens"
)

// MaxBytes is the size in bytes of the largest recipe or watch that is read: 1 MiB.
const MaxBytes = 1 << 20

// Parse reads a recipe from untrusted JSON. The result has passed [Recipe.Validate]. Unknown members are failures, as
// a misspelled one would be ignored silently otherwise.
//
// It returns [patch.ErrTooLarge] if the text has more than [MaxBytes]. Otherwise the error is [patch.ErrInvalid]: a
// *[patch.SyntaxError] if the text is not JSON, or a *[patch.ValidationError] that lists every failure. Parse is safe
// for concurrent use.
func Parse(data []byte) (*Recipe, error) {
	return parse(data, (*reader).recipe, (*Recipe).check)
}

// ParseWatch reads a watch from untrusted JSON, which has the members feed and policy alone. The result has passed
// [Watch.Validate]. The errors are those of [Parse].
func ParseWatch(data []byte) (*Watch, error) {
	return parse(data, (*reader).watch, (*Watch).check)
}

// ParsePartial reads a recipe of which only the feed has to be complete, as a trial of the feed needs it. The feed and
// the policy have passed [Watch.Validate]. The errors are those of [Parse].
func ParsePartial(data []byte) (*Recipe, error) {
	return parse(data, (*reader).recipe, func(r *Recipe, c *checker) {
		w := r.Watch()
		w.check(c)
	})
}

// parse checks the syntax of data, reads a value from it and checks the value.
func parse[T any](data []byte, read func(*reader, *T), check func(*T, *checker)) (*T, error) {
	if err := patch.CheckSyntax(data, &patch.ParseOptions{MaxBytes: MaxBytes}); err != nil {
		return nil, err
	}
	r := &reader{Reader: tokens.NewReader(data), checker: &checker{}}
	value := new(T)
	read(r, value)
	if r.Err() != nil { // impossible after CheckSyntax
		return nil, &patch.SyntaxError{Line: 1, Column: 1, Reason: r.Err().Error()}
	}
	check(value, r.checker)
	if err := r.result(); err != nil {
		return nil, err
	}
	return value, nil
}
