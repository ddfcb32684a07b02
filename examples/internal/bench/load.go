package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A job is what a load generator does: it sends requests over several connections, one after another over each, until
// the time is over or Max requests were sent. A connection begins at a place of its own in the list.
type job struct {
	Addr        string
	Connections int
	Time        time.Duration
	Max         int64
	Requests    [][]byte
	// Versions makes a POST of a new version out of each of Requests, which are then ids of titles.
	Versions *newVersions
}

// newVersions describes versions that are added to titles.
type newVersions struct {
	Token string
	First int64 // the number of the first version
}

// A result is what a load generator has measured.
type result struct {
	Requests, Failed int64
	Failure          string
	Time             time.Duration
	Median, P99      time.Duration
}

// rate returns the number of requests in a second.
func (r result) rate() float64 { return float64(r.Requests) / r.Time.Seconds() }

// run does the job.
func (j job) run() (result, error) {
	var (
		wg    sync.WaitGroup
		sent  atomic.Int64
		conns = make([]*connection, j.Connections)
	)
	for i := range conns {
		conn, err := net.Dial("tcp", j.Addr)
		if err != nil {
			return result{}, err
		}
		defer conn.Close()
		conns[i] = &connection{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}
	}
	begun := time.Now()
	for i, c := range conns {
		wg.Go(func() { c.send(&j, &sent, i*len(j.Requests)/len(conns), begun.Add(j.Time)) })
	}
	wg.Wait()
	return collect(conns, time.Since(begun))
}

// collect returns the result of all connections.
func collect(conns []*connection, took time.Duration) (result, error) {
	r := result{Time: took}
	var times []time.Duration
	var errs []error
	for _, c := range conns {
		times = append(times, c.times...)
		errs = append(errs, c.err)
		r.Failed += c.failed
		if r.Failure == "" {
			r.Failure = c.failure
		}
	}
	r.Requests = int64(len(times))
	r.Median, r.P99 = percentile(times, 50), percentile(times, 99)
	return r, errors.Join(errs...)
}

// percentile returns the p-th percentile of times, which it sorts.
func percentile(times []time.Duration, p int) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[min(len(times)*p/100, len(times)-1)]
}

// A connection is a connection over HTTP/1.1 to the server. It does not allocate memory for a request.
type connection struct {
	conn    net.Conn
	in      *bufio.Reader
	times   []time.Duration
	failed  int64
	failure string
	err     error
}

// send sends requests of a job until it is done, beginning at index at.
func (c *connection) send(j *job, sent *atomic.Int64, at int, until time.Time) {
	for now := time.Now(); now.Before(until); at++ {
		n := sent.Add(1)
		if j.Max > 0 && n > j.Max {
			return
		}
		request := j.Requests[at%len(j.Requests)]
		if j.Versions != nil {
			request = j.Versions.request(string(request), n)
		}
		status, body, err := c.do(request)
		if err != nil {
			c.err = err
			return
		}
		if status >= 400 {
			c.failed++
			if c.failure == "" {
				c.failure = fmt.Sprintf("%d %s", status, body)
			}
		}
		end := time.Now()
		c.times = append(c.times, end.Sub(now))
		now = end
	}
}

// do sends a request and reads the answer. It returns the body of an error.
func (c *connection) do(request []byte) (status int, body []byte, err error) {
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, nil, fmt.Errorf("the answer begins with %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length := -1
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		if len(line) <= 2 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, nil, err
			}
		}
	}
	switch {
	case status == 304 || status == 204:
		return status, nil, nil
	case length < 0:
		return 0, nil, errors.New("the answer has no Content-Length")
	case status >= 400:
		body = make([]byte, length)
		_, err = io.ReadFull(c.in, body)
		return status, body, err
	}
	_, err = c.in.Discard(length)
	return status, nil, err
}

// request returns the request that adds the n-th version of a job to a title.
func (v *newVersions) request(title string, n int64) []byte {
	body := newPatch(title, addedVersion(v.First+n))
	return fmt.Appendf(nil, "POST /api/v1/title/%s/version HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", title, v.Token, len(body), body)
}

// get returns a GET request, with further lines of its head.
func get(path string, lines ...string) []byte {
	b := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: bench\r\n", path)
	for _, l := range lines {
		b = append(append(b, l...), "\r\n"...)
	}
	return append(b, "\r\n"...)
}
