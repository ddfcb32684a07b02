package draft

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	// number is the part of an expression that stands for a dotted number.
	number = `\d+(?:\.\d+)*`
	// words is the part that stands for numbers and words with separators, such as 1.2b3 or 2026-10-01.
	words = `[0-9A-Za-z]+(?:[._+-][0-9A-Za-z]+)*`
	// maxNaming is the maximum length in bytes of a tag or name that an expression is made from.
	maxNaming = 255
)

// A naming is an expression for the tags or the names of files that name the versions of an application.
type naming struct {
	// expr has the group version, or a group for each number of the version.
	expr string
	// as is the form of the version, if expr has groups for its numbers.
	as string
}

// A piece is a part of a tag or of a file's name. group is the name of what it is, empty if it is other text.
type piece struct{ text, group string }

// namingOf returns how a text, such as a tag or the name of a file, names a version. version is that of a cask: its
// builds follow after commas. ok is false if the text does not name the version, or if the expression would find
// neither it in the text nor the next one in a text like it.
func namingOf(text, version string) (n naming, ok bool) {
	values := strings.Split(version, ",")
	if len(text) > maxNaming || len(version) > maxNaming || !strings.ContainsAny(values[0], "0123456789") {
		return n, false
	}
	pieces := cutPiece([]piece{{text: text}}, values[0], "version")
	groups := []string{"version"}
	if len(pieces) == 1 && pieces[0].group == "" { // perhaps as in v1_2_3
		if pieces, groups = cutNumbers(text, values[0]); pieces == nil {
			return n, false
		}
		n.as = "{" + strings.Join(groups, "}.{") + "}"
	}
	for i, build := range values[1:] {
		group := "build"
		if i > 0 {
			group += strconv.Itoa(i + 1)
		}
		pieces = cutPiece(pieces, build, group)
	}
	n.expr = expressionOf(pieces, slices.Index(groupsOf(pieces), groups[0]))
	return n, finds(n.expr, pieces, groups)
}

// cutPiece cuts the first place of a value out of the pieces that are other text. It must not be a part of a longer
// number.
func cutPiece(pieces []piece, value, group string) []piece {
	for i, p := range pieces {
		if p.group != "" {
			continue
		}
		if at := indexNumber(p.text, value); at >= 0 {
			return slices.Replace(slices.Clone(pieces), i, i+1,
				piece{text: p.text[:at]}, piece{value, group}, piece{text: p.text[at+len(value):]})
		}
	}
	return pieces
}

// cutNumbers returns the pieces of a text that has the numbers of a version with other separators than dots, and the
// groups of the numbers. If it has not, the pieces are nil.
func cutNumbers(text, version string) (pieces []piece, groups []string) {
	names := []string{"major", "minor", "patch", "fourth"}
	numbers := strings.Split(version, ".")
	if len(numbers) < 2 || len(numbers) > len(names) || slices.ContainsFunc(numbers, hasNoNumber) {
		return nil, nil
	}
	for _, separator := range []string{"_", "-"} {
		joined := strings.Join(numbers, separator)
		at := indexNumber(text, joined)
		if at < 0 {
			continue
		}
		pieces = append(pieces, piece{text: text[:at]})
		for i, n := range numbers {
			if i > 0 {
				pieces = append(pieces, piece{text: separator})
			}
			pieces = append(pieces, piece{n, names[i]})
		}
		return append(pieces, piece{text: text[at+len(joined):]}), names[:len(numbers)]
	}
	return nil, nil
}

func hasNoNumber(s string) bool { return s == "" || strings.Trim(s, "0123456789") != "" }

// indexNumber returns the index of a value in a text where no digit is before or after it, -1 if there is none.
func indexNumber(text, value string) int {
	for start := 0; value != ""; {
		i := strings.Index(text[start:], value)
		if i < 0 {
			break
		}
		at := start + i
		end := at + len(value)
		if (at == 0 || !isDigit(text[at-1]) || !isDigit(value[0])) &&
			(end == len(text) || !isDigit(text[end]) || !isDigit(value[len(value)-1])) {
			return at
		}
		start = at + 1
	}
	return -1
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

func groupsOf(pieces []piece) (groups []string) {
	for _, p := range pieces {
		groups = append(groups, p.group)
	}
	return groups
}

var (
	longNumber = regexp.MustCompile(`[0-9]{4,}`)
	// variable matches what changes with a version: numbers, and words that are hashes.
	variable = regexp.MustCompile(`\b[0-9a-f]{7,40}\b|[0-9]+`)
	plain    = regexp.MustCompile(`^` + number + `$`)
	digits   = regexp.MustCompile(`^[0-9]+$`)
)

// expressionOf returns the expression for texts of pieces such as these. version is the index of the first piece of the
// version. Numbers before it, such as that of a product, stay unless they are long; those after it may change.
func expressionOf(pieces []piece, version int) string {
	var b strings.Builder
	b.WriteByte('^')
	for i, p := range pieces {
		switch {
		case p.group == "" && i < version:
			b.WriteString(generalize(p.text, longNumber))
		case p.group == "":
			b.WriteString(generalize(p.text, variable))
		default:
			b.WriteString("(?P<" + p.group + ">" + like(p) + ")")
		}
	}
	b.WriteByte('$')
	return b.String()
}

// like returns the expression for values like that of a piece.
func like(p piece) string {
	switch {
	case digits.MatchString(p.text) && p.group != "version":
		return `\d+`
	case plain.MatchString(p.text):
		return number
	}
	return words
}

// generalize returns the expression for a text in which what changes may have another value.
func generalize(text string, changes *regexp.Regexp) string {
	var b strings.Builder
	last := 0
	for _, at := range changes.FindAllStringIndex(text, -1) {
		b.WriteString(regexp.QuoteMeta(text[last:at[0]]))
		if strings.ContainsAny(text[at[0]:at[1]], "abcdef") {
			b.WriteString(`[0-9a-f]+`)
		} else {
			b.WriteString(`\d+`)
		}
		last = at[1]
	}
	b.WriteString(regexp.QuoteMeta(text[last:]))
	return b.String()
}

// finds reports whether an expression finds the values of some groups in the text of pieces, and in that of a plausible
// next version.
func finds(expr string, pieces []piece, groups []string) bool {
	re, err := regexp.Compile(expr)
	if err != nil {
		return false
	}
	next := slices.Clone(pieces)
	for i := range next {
		if next[i].group != "" {
			next[i].text = increment(next[i].text)
		}
	}
	return findsIn(re, pieces, groups) && findsIn(re, next, groups)
}

func findsIn(re *regexp.Regexp, pieces []piece, groups []string) bool {
	text := ""
	for _, p := range pieces {
		text += p.text
	}
	m := re.FindStringSubmatch(text)
	if m == nil {
		return false
	}
	for _, p := range pieces {
		if slices.Contains(groups, p.group) && m[re.SubexpIndex(p.group)] != p.text {
			return false
		}
	}
	return true
}

// increment returns a text with its last number incremented, or the text itself if it has none.
func increment(text string) string {
	end := strings.LastIndexAny(text, "0123456789") + 1
	start := end
	for start > 0 && isDigit(text[start-1]) {
		start--
	}
	n, err := strconv.ParseUint(text[start:end], 10, 63)
	if err != nil {
		return text
	}
	return text[:start] + strconv.FormatUint(n+1, 10) + text[end:]
}
