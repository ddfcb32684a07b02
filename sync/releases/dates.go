package releases

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// maxDate is the maximum length of a date in bytes.
const maxDate = 128

var (
	clock    = regexp.MustCompile(`(\d{1,2})[:h.](\d{2})(?:[:.](\d{2})(?:[.,](\d{1,9}))?)?(?:\s*([aApP])\.?[mM]\b\.?)?`)
	offset   = regexp.MustCompile(`(?:GMT|UTC)?\s*([+-])(\d{2}|\d)(?::?(\d{2}))?$`)
	dateISO  = regexp.MustCompile(`\b(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[Tt ]|\b)`)
	dateEast = regexp.MustCompile(`(\d{4})\s*[年년]\s*(\d{1,2})\s*[月월]\s*(\d{1,2})`)
	dateLast = regexp.MustCompile(`\b(\d{1,2})([-/.])\s?(\d{1,2})[-/.]\s?(\d{4})\b`)
	words    = regexp.MustCompile(`\p{L}+|\d+`)
)

// parseDate returns the date in a text, in UTC, or the zero time if there is none or if it is ambiguous, as 3/4/2026.
// It reads the forms of RFC 822, RFC 3339 and ISO 8601, dates with the name of a month in many languages, numeric
// dates, and numbers of seconds, milliseconds or microseconds since 1970. Days of the week are ignored: many feeds have
// wrong ones. A date without a zone is in UTC.
func parseDate(text string) time.Time {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxDate {
		return time.Time{}
	}
	if digits, err := strconv.ParseInt(text, 10, 64); err == nil {
		return numericDate(text, digits)
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return plausible(t)
	}
	day, rest, ok := splitDay(text)
	if !ok {
		return time.Time{}
	}
	return plausible(day.Add(timeOfDay(rest)))
}

// plausible returns a time in UTC, or the zero time if it cannot be that of a release.
func plausible(t time.Time) time.Time {
	if t.Year() < 1984 || t.Year() > 9998 {
		return time.Time{}
	}
	return t.UTC()
}

// numericDate returns the date in a text of digits.
func numericDate(text string, n int64) time.Time {
	switch len(text) {
	case len("20260131"):
		if t, err := time.Parse("20060102", text); err == nil {
			return plausible(t)
		}
	case len("20260131235959"):
		if t, err := time.Parse("20060102150405", text); err == nil {
			return plausible(t)
		}
	case 9, 10:
		return plausible(time.Unix(n, 0))
	case 12, 13:
		return plausible(time.UnixMilli(n))
	case 15, 16:
		return plausible(time.UnixMicro(n))
	}
	return time.Time{}
}

// splitDay returns the day in a text, and the text without it.
func splitDay(text string) (day time.Time, rest string, ok bool) {
	if m := dateEast.FindStringSubmatchIndex(text); m != nil {
		return dayAt(text, m, 1, 2, 3)
	}
	if m := dateISO.FindStringSubmatchIndex(text); m != nil {
		return dayAt(text, m, 1, 2, 3)
	}
	if m := dateLast.FindStringSubmatchIndex(text); m != nil {
		first, second := text[m[2]:m[3]], text[m[6]:m[7]]
		switch {
		case text[m[4]:m[5]] == ".", number(first) > 12, first == second:
			return dayAt(text, m, 4, 3, 1)
		case number(second) > 12:
			return dayAt(text, m, 4, 1, 3)
		}
		return time.Time{}, "", false
	}
	return namedDay(text)
}

// dayAt returns the day whose year, month and day are groups of a match.
func dayAt(text string, m []int, year, month, day int) (time.Time, string, bool) {
	group := func(n int) int { return number(text[m[2*n]:m[2*n+1]]) }
	t, ok := date(group(year), group(month), group(day))
	return t, text[:m[0]] + " " + text[m[1]:], ok
}

// namedDay returns the day in a text that has the name of a month.
func namedDay(text string) (day time.Time, rest string, ok bool) {
	var at []int // of the time and what follows it
	if at = clock.FindStringIndex(text); at == nil {
		at = []int{len(text), len(text)}
	}
	before, rest := text[:at[0]], text[at[0]:]
	year, month, days := 0, 0, 0
	read := func(part string) {
		for _, w := range words.FindAllString(part, -1) {
			n := number(w)
			switch {
			case n < 0:
				if m := months[strings.ToLower(w)]; m > 0 {
					month = m
				}
			case len(w) == 4:
				year = n
			case len(w) > 2:
			case days == 0:
				days = n
			case year == 0:
				year = 2000 + n
			}
		}
	}
	read(before)
	if year == 0 || month == 0 { // as in "Sat Jul 26 15:20:11 2026", or "15:20, 26 July 2026"
		read(offset.ReplaceAllString(rest[at[1]-at[0]:], " "))
	}
	day, ok = date(year, month, days)
	return day, rest, ok
}

// date returns a date, false if there is no such day.
func date(year, month, day int) (time.Time, bool) {
	t := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	return t, year > 0 && t.Year() == year && t.Month() == time.Month(month) && t.Day() == day
}

// timeOfDay returns the time in a text that has no day, as the duration since midnight in UTC.
func timeOfDay(text string) time.Duration {
	m := clock.FindStringSubmatchIndex(text)
	if m == nil {
		return 0
	}
	group := func(n int) string {
		if m[2*n] < 0 {
			return ""
		}
		return text[m[2*n]:m[2*n+1]]
	}
	hour, minute, second := number(group(1)), number(group(2)), max(number(group(3)), 0)
	switch strings.ToLower(group(5)) {
	case "p":
		hour = hour%12 + 12
	case "a":
		hour %= 12
	}
	if hour > 24 || minute > 59 || second > 60 {
		return 0
	}
	t := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
	if fraction, err := strconv.ParseFloat("0."+group(4), 64); err == nil {
		t += time.Duration(fraction * float64(time.Second))
	}
	return t - zone(strings.TrimSpace(text[m[1]:]))
}

// zone returns the offset of a time zone from UTC, 0 if it is unknown.
func zone(text string) time.Duration {
	if m := offset.FindStringSubmatch(text); m != nil {
		d := time.Duration(number(m[2]))*time.Hour + time.Duration(max(number(m[3]), 0))*time.Minute
		if m[1] == "-" {
			return -d
		}
		return d
	}
	for _, w := range words.FindAllString(text, -1) {
		if h, ok := zones[strings.ToUpper(w)]; ok {
			return time.Duration(h * float64(time.Hour))
		}
	}
	return 0
}

// number returns the number in a text of at most nine digits, -1 if it is another text.
func number(text string) int {
	n, err := strconv.ParseUint(text, 10, 30)
	if err != nil {
		return -1
	}
	return int(n)
}

// zones are the names of time zones that feeds use, in hours east of UTC.
var zones = map[string]float64{
	"UTC": 0, "GMT": 0, "Z": 0, "UT": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "MEZ": 1, "CEST": 2, "MESZ": 2,
	"EET": 2, "EEST": 3, "MSK": 3, "JST": 9, "KST": 9, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13, "HKT": 8,
	"SGT": 8, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "AKST": -9,
	"AKDT": -8, "HST": -10,
}

// months are the names of the months, in the languages that feeds are written in. A name that is also that of a day of
// the week in another language does no harm: the last name of a month in a date counts.
var months = monthNames(
	"january jan januar januari janvier janv enero ene gennaio gen janeiro stycznia sty ledna "+
		"января янв січня ocak jänner jaenner tammikuuta",
	"february feb februar februari février fevrier févr fevr fév febrero febbraio fevereiro fev "+
		"lutego lut února февраля фев лютого şubat helmikuuta",
	"march mar märz maerz mär mrz mars maart mrt marzo março marco marca března марта мар "+
		"березня mart marts maaliskuuta",
	"april apr avril avr abril abr aprile kwietnia kwi dubna апреля апр квітня nisan "+
		"huhtikuuta",
	"may mai mayo maggio mag maio mei maj maja května мая май травня mayıs toukokuuta",
	"june jun juni juin junio giugno giu junho czerwca cze června июня июн червня "+
		"haziran kesäkuuta",
	"july jul juli juillet juil julio luglio lug julho lipca lip července июля июл липня "+
		"temmuz heinäkuuta",
	"august aug août aout agosto ago augustus augusti sierpnia sie srpna августа авг "+
		"серпня ağustos elokuuta",
	"september sep sept septembre septiembre setiembre settembre set setembro września wrz září "+
		"сентября сен сент вересня eylül syyskuuta",
	"october oct oktober okt octobre octubre ottobre ott outubro out października paź října "+
		"октября окт жовтня ekim lokakuuta",
	"november nov novembre noviembre novembro listopada lis listopadu ноября ноя нояб "+
		"kasım marraskuuta",
	"december dec dezember dez décembre decembre déc diciembre dic dicembre dezembro grudnia gru "+
		"prosince декабря дек грудня aralık desember des joulukuuta",
)

// monthNames returns the numbers of months by their names.
func monthNames(names ...string) map[string]int {
	months := map[string]int{}
	for i, of := range names {
		for name := range strings.FieldsSeq(of) {
			months[name] = i + 1
		}
	}
	return months
}
