package logging

import (
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"
)

// format appends the line of a record, as the handler of package slog writes it. It returns false if the record has an
// attribute that it does not support: a group, a kind that is not simple, or text that needs quotes or escapes.
func (h *Handler) format(line []byte, r *slog.Record) ([]byte, bool) {
	if r.Time.IsZero() {
		return line, false
	}
	if h.json {
		line = append(line, `{"time":"`...)
		line = h.clock.append(line, r.Time, false)
		line = append(line, `","level":"INFO","msg":"`+access+`"`...)
	} else {
		line = append(line, "time="...)
		line = h.clock.append(line, r.Time, true)
		line = append(line, " level=INFO msg="+access...)
	}
	ok := true
	r.Attrs(func(a slog.Attr) bool {
		if h.json {
			line, ok = appendJSON(line, a)
		} else {
			line, ok = appendText(line, a)
		}
		return ok
	})
	if h.json {
		line = append(line, '}')
	}
	return append(line, '\n'), ok
}

// appendText appends an attribute of a line of text.
func appendText(line []byte, a slog.Attr) ([]byte, bool) {
	if !plain(a.Key, ' ', '=') || a.Key == "" {
		return line, false
	}
	line = append(append(append(line, ' '), a.Key...), '=')
	switch a.Value.Kind() {
	case slog.KindString:
		text := a.Value.String()
		return append(line, text...), text != "" && plain(text, ' ', '=')
	case slog.KindDuration:
		return append(line, a.Value.Duration().String()...), true
	}
	return appendScalar(line, a.Value)
}

// appendJSON appends an attribute of a line of JSON.
func appendJSON(line []byte, a slog.Attr) ([]byte, bool) {
	if !plain(a.Key, '"', '"') || a.Key == "" {
		return line, false
	}
	line = append(append(append(line, ',', '"'), a.Key...), '"', ':')
	switch a.Value.Kind() {
	case slog.KindString:
		text := a.Value.String()
		return append(append(append(line, '"'), text...), '"'), plain(text, '"', '"')
	case slog.KindDuration:
		return strconv.AppendInt(line, int64(a.Value.Duration()), 10), true
	}
	return appendScalar(line, a.Value)
}

// appendScalar appends a value that has the same form in text and in JSON.
func appendScalar(line []byte, v slog.Value) ([]byte, bool) {
	switch v.Kind() {
	case slog.KindInt64:
		return strconv.AppendInt(line, v.Int64(), 10), true
	case slog.KindUint64:
		return strconv.AppendUint(line, v.Uint64(), 10), true
	case slog.KindBool:
		return strconv.AppendBool(line, v.Bool()), true
	}
	return line, false
}

// plain reports whether a text is printable and has no quotes, no backslashes and neither no1 nor no2.
func plain(text string, no1, no2 byte) bool {
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError || !unicode.IsPrint(r) {
				return false
			}
			i += size
		case !simple[c] || c == no1 || c == no2:
			return false
		default:
			i++
		}
	}
	return true
}

// simple has the printable characters of ASCII except quotes and backslashes.
var simple = func() (all [utf8.RuneSelf]bool) {
	for c := ' '; c <= '~'; c++ {
		all[c] = c != '"' && c != '\\'
	}
	return all
}()

// A clock formats times. It keeps the text of the last second. It is safe for concurrent use.
type clock struct{ last atomic.Pointer[second] }

// A second is a second of the clock of a place, and its text before and after the point.
type second struct {
	unix         int64
	place        *time.Location
	before, zone string
}

// append appends a time as RFC 3339, in milliseconds with all digits, or in nanoseconds without the zeros at the end.
func (c *clock) append(line []byte, t time.Time, milliseconds bool) []byte {
	s := c.last.Load()
	if s == nil || s.unix != t.Unix() || s.place != t.Location() {
		s = &second{t.Unix(), t.Location(), t.Format("2006-01-02T15:04:05"), t.Format("Z07:00")}
		c.last.Store(s)
	}
	line = append(line, s.before...)
	nanoseconds := t.Nanosecond()
	if milliseconds || nanoseconds > 0 {
		var digits [10]byte
		for i := 9; i > 0; i-- {
			digits[i] = byte('0' + nanoseconds%10)
			nanoseconds /= 10
		}
		digits[0] = '.'
		n := 4
		if !milliseconds {
			for n = len(digits); digits[n-1] == '0'; n-- {
			}
		}
		line = append(line, digits[:n]...)
	}
	return append(line, s.zone...)
}
