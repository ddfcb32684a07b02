package patch

import "cmp"

// comparePlain compares two strings of plain dotted numbers without parsing them. longer is positive if a has more
// numbers than b, negative if it has fewer. ok is false for other strings.
func comparePlain(a, b string) (order, longer int, ok bool) {
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		x, n := plainNumber(a[i:])
		y, m := plainNumber(b[j:])
		if n == 0 || m == 0 {
			return 0, 0, false
		}
		if order == 0 {
			order = compareNumber(x, y)
		}
		i, j = i+n, j+m
	}
	if i == 0 { // a string is empty
		return 0, 0, false
	}
	restA, okA := plainRest(a[i:])
	restB, okB := plainRest(b[j:])
	if !okA || !okB || a[len(a)-1] == '.' || b[len(b)-1] == '.' {
		return 0, 0, false
	}
	if order == 0 {
		order = cmp.Compare(restA, restB)
	}
	return order, cmp.Compare(len(a)-i, len(b)-j), true
}

// plainNumber returns the number at the start of s, without leading zeros, and its length in bytes together with the
// dot after it. The length is 0 if s is not plain.
func plainNumber(s string) (number string, n int) {
	zeros := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		if zeros == n && s[n] == '0' {
			zeros++
		}
		n++
	}
	number = s[zeros:n]
	if n == 0 || n < len(s) && s[n] != '.' {
		return "", 0
	}
	if n < len(s) {
		n++
	}
	return number, n
}

// plainRest examines the numbers that the other string does not have. more is 1 if one of them is not zero, else 0.
// ok is false if s is not plain.
func plainRest(s string) (more int, ok bool) {
	for s != "" {
		x, n := plainNumber(s)
		if n == 0 {
			return 0, false
		}
		if x != "" {
			more = 1
		}
		s = s[n:]
	}
	return more, true
}
