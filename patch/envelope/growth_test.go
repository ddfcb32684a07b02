package envelope_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch/envelope"
	"github.com/patchsource/patchsource/patch/patchtest"
)

// The cost of opening is proportional to the size of the envelope, valid or not.
func TestOpenIsLinear(t *testing.T) {
	a := (*authority)(nil).issue(t, "Growth", "ecdsa", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	sequence := func(content []byte) []byte {
		n := len(content)
		return append([]byte{0x30, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, content...)
	}
	for _, c := range []struct {
		name string
		n    int
		make func(n int) []byte
	}{
		{"sealed", 256 << 10, func(n int) []byte {
			data, err := (&envelope.Signer{Certificate: a.cert, Key: a.key}).Seal(bytes.Repeat([]byte("x"), n))
			if err != nil {
				t.Fatal(err)
			}
			return data
		}},
		{"elements", 5000, func(n int) []byte { return sequence(bytes.Repeat([]byte{5, 0}, n)) }},
		{"elements of indefinite length", 5000, func(n int) []byte {
			return sequence(bytes.Repeat([]byte{0x30, 0x80, 5, 0, 0, 0}, n))
		}},
		{"nested", 50_000, func(n int) []byte { return bytes.Repeat([]byte{0x30, 0x80}, n) }},
		{"a string in pieces", 5000, func(n int) []byte {
			pieces := bytes.Repeat([]byte{4, 1, 'x'}, n)
			return sequence(append(append([]byte{0x24, 0x80}, pieces...), 0, 0))
		}},
		{"a long tag", 256 << 10, func(n int) []byte {
			return append([]byte{0x1f}, bytes.Repeat([]byte{0xff}, n)...)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			patchtest.Linear(t, func(n int) func() {
				data := c.make(n)
				return func() { _, _ = envelope.Open(data, nil) }
			}, c.n)
		})
	}
}
