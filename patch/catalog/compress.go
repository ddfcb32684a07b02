package catalog

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// A deflated is a part of a document compressed: blocks of deflate (RFC 1951) that end at a byte boundary and refer to
// nothing before them. The parts of a document, joined, are one member of gzip; see gzipOf.
type deflated struct {
	data []byte
	size uint32 // of the part before it was compressed
	crc  uint32 // of that
	// shift is the factor by which a checksum of the parts before this one is multiplied; see joinCRC.
	shift uint32
}

// gzipHeader is the header of a member without a name and a time, made on an unknown system (RFC 1952).
var gzipHeader = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}

// compressors are writers of deflate. Each takes about a megabyte.
var compressors = sync.Pool{New: func() any {
	z, _ := flate.NewWriter(io.Discard, flate.DefaultCompression) // it fails only for other levels
	return z
}}

// deflate compresses a part of a document. If it is the last one, it ends the document.
func deflate(part []byte, last bool) deflated {
	var b bytes.Buffer
	z := compressors.Get().(*flate.Writer)
	defer compressors.Put(z)
	z.Reset(&b)
	_, _ = z.Write(part) // a bytes.Buffer does not fail
	if last {
		_ = z.Close()
	} else {
		_ = z.Flush()
	}
	return deflated{bytes.Clone(b.Bytes()), uint32(len(part)), crc32.ChecksumIEEE(part), crcShift(len(part))}
}

// gzipOf returns the segments of one member of gzip that has some parts. Several members would be shorter to write, but
// curl, browsers and Ruby read only the first of them.
func gzipOf(parts []deflated) [][]byte {
	segments := make([][]byte, 0, len(parts)+2)
	segments = append(segments, gzipHeader)
	var size, crc uint32
	for _, p := range parts {
		segments = append(segments, p.data)
		size += p.size
		crc = joinCRC(crc, p)
	}
	trailer := binary.LittleEndian.AppendUint32(nil, crc)
	return append(segments, binary.LittleEndian.AppendUint32(trailer, size))
}

// compress returns bytes compressed, nil if that does not make them smaller.
func compress(body []byte) []byte {
	z := bytes.Join(gzipOf([]deflated{deflate(body, true)}), nil)
	if len(z) >= len(body) {
		return nil
	}
	return z
}

// A CRC-32 is a polynomial over the field of two elements, modulo crc32.IEEE. The highest bit of an uint32 is the
// coefficient of x^0. The checksum of two parts is that of the first, times x^(8n), plus that of the second, which has
// n bytes: see zlib's crc32_combine.

// joinCRC returns the checksum of a text with checksum crc and a part after it.
func joinCRC(crc uint32, p deflated) uint32 { return multiply(p.shift, crc) ^ p.crc }

// crcShift returns x^(8n).
func crcShift(n int) uint32 {
	product, square := uint32(1<<31), uint32(1<<23) // x^0 and x^8
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			product = multiply(product, square)
		}
		square = multiply(square, square)
	}
	return product
}

// multiply returns the product of two polynomials.
func multiply(a, b uint32) (product uint32) {
	for ; a != 0; a <<= 1 {
		if a&(1<<31) != 0 {
			product ^= b
		}
		odd := b & 1
		b >>= 1
		if odd == 1 {
			b ^= crc32.IEEE
		}
	}
	return product
}
