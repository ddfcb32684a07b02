package releases

import (
	"regexp"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/patchsource/patchsource/patch/recipe"
)

// compiled has the regular expressions that were used last. New fails for negative sizes only.
var compiled, _ = lru.New[string, *regexp.Regexp](512)

// compile compiles a regular expression, or returns the one that was compiled before.
func compile(expr string) (*regexp.Regexp, error) {
	if re, ok := compiled.Get(expr); ok {
		return re, nil
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, err
	}
	compiled.Add(expr, re)
	return re, nil
}

// compileWord compiles the regular expression in a word of a feed. The error is a *patch.ValidationError.
func compileWord(word, expr string) (*regexp.Regexp, error) {
	re, err := compile(expr)
	if err != nil {
		return nil, invalid("/feed/"+word, "is not a regular expression (RE2): %v", err)
	}
	return re, nil
}

// versionOf returns the version and the build in a subject, by the words Match and As of a feed. groups are further
// values for As, such as "build". It may be nil; its values are those of the feed, and those of Match take precedence.
//
// Without Match, the version is the subject and the build is groups["build"]. With Match, the version is the group
// "version", else the first group, else the whole match. ok is false if Match does not match, if the version is empty,
// or if a value that As names is empty. Match sees the first maxSubject bytes of the subject. The error is
// a *patch.ValidationError if Match or As is invalid.
func versionOf(f recipe.Feed, subject string, groups map[string]string) (version, build string, ok bool, err error) {
	if f.Match == "" {
		return mapVersion(f, subject, groups)
	}
	re, err := compileWord("match", f.Match)
	if err != nil {
		return "", "", false, err
	}
	m := re.FindStringSubmatch(cutTo(subject, maxSubject))
	if m == nil {
		return "", "", false, nil
	}
	return versionOfMatch(f, re, m, groups)
}

// versionOfMatch is versionOf for a match of the expression Match of a feed. match is that of FindStringSubmatch.
func versionOfMatch(f recipe.Feed, re *regexp.Regexp, match []string, groups map[string]string) (
	version, build string, ok bool, err error,
) {
	all := make(map[string]string, len(groups)+len(match))
	for name, value := range groups {
		all[name] = value
	}
	return mapVersion(f, matchGroups(re, match, all), all)
}

// matchGroups adds the named groups of a match to groups, and returns the version in the match: the group "version",
// else the first group, else the whole match.
func matchGroups(re *regexp.Regexp, match []string, groups map[string]string) (version string) {
	for i, name := range re.SubexpNames() {
		if name != "" && (match[i] != "" || groups[name] == "") {
			groups[name] = match[i]
		}
	}
	switch {
	case re.SubexpIndex("version") > 0:
		return match[re.SubexpIndex("version")]
	case len(match) > 1:
		return match[1]
	}
	return match[0]
}

// mapVersion applies the word As of a feed to a version and the values of groups.
func mapVersion(f recipe.Feed, version string, groups map[string]string) (mapped, build string, ok bool, err error) {
	version = strings.TrimSpace(version)
	build = strings.TrimSpace(groups["build"])
	if f.As == "" {
		return cut(version), cut(build), version != "", nil
	}
	mapped, ok, err = fill(f.As, func(name string) (string, bool) {
		value, known := groups[name]
		switch {
		case name == "version":
			return version, true
		case name == "build" || known:
			return strings.TrimSpace(value), true
		}
		return "", false
	})
	return cut(mapped), cut(build), ok && mapped != "", err
}

// fill replaces the names in braces in a template by their values. It returns false if a value is empty.
func fill(template string, value func(name string) (string, bool)) (filled string, ok bool, err error) {
	var out strings.Builder
	for rest := template; rest != ""; {
		text, after, open := strings.Cut(rest, "{")
		out.WriteString(text)
		if !open {
			break
		}
		name, after, closed := strings.Cut(after, "}")
		if !closed {
			return "", false, invalid("/feed/as", "has a { without a }")
		}
		v, known := value(name)
		switch {
		case !known:
			return "", false, invalid("/feed/as", "names {%s}, which neither match nor fields has", name)
		case v == "":
			return "", false, nil
		}
		out.WriteString(cut(v))
		rest = after
	}
	return out.String(), true, nil
}

// cut returns the first 256 bytes of a text, which is one more than a version may have: Select drops what was cut.
func cut(s string) string {
	if len(s) > maxVersion+1 {
		return strings.ToValidUTF8(s[:maxVersion+1], "?")
	}
	return s
}
