package acmetest

import (
	"bytes"
	"io"
	"net"
	"testing"
)

// startDNS starts a DNS server over TCP, which resolves every name to 127.0.0.1, and returns its address.
func startDNS(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for answerDNS(conn) == nil {
				}
			}()
		}
	}()
	return l.Addr().String()
}

// answerDNS answers a query (RFC 1035): with an address if it asks for one, and else with no records.
func answerDNS(conn net.Conn) error {
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return err
	}
	query := make([]byte, int(length[0])<<8|int(length[1]))
	if _, err := io.ReadFull(conn, query); err != nil {
		return err
	}
	end := bytes.IndexByte(query[12:], 0) + 12 + 5 // of the question: a name, which ends with 0, a type and a class
	answer := append([]byte{}, query[:end]...)
	copy(answer[2:12], []byte{0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0}) // a response with a question
	if query[end-3] == 1 {                                      // type A
		answer[7] = 1
		answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1)
	}
	_, err := conn.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...))
	return err
}
