package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

const (
	acceptGzip  = "Accept-Encoding: gzip"
	connections = 16
	// variants is the number of different requests of a case: more than fit into the processor's caches.
	variants = 200

	// smallBody is the size of a body up to which net/http adds the Content-Length itself, which costs less.
	smallBody = 2048

	goalShipped = 0.90 // bare ÷ ours
	goalSilent  = 0.95
)

// A readCase is a call that is measured.
type readCase struct {
	name     string
	requests []readRequest
}

// A readRequest is a request of a case.
type readRequest struct{ path, line string }

// reads measures reads beside the bare handler.
func reads(ctx context.Context, b *bench) error {
	t := &table{columns: []string{
		"call, gzip, 16 connections", "build",
		"bare with id, µs", "as shipped, µs", "bare ÷ ours", "goal ≥ 0.90",
		"bare, µs", "without log, µs", "bare ÷ ours", "goal ≥ 0.95", "log, µs",
		"bare, 1/s", "as shipped, 1/s",
	}}
	nginx := &table{columns: []string{
		"build", "nginx, µs", "as shipped, µs", "nginx ÷ ours", "goal > 1", "without log, µs", "nginx ÷ ours",
	}}
	sizes := []int{1000, 10_000}
	if b.large {
		sizes = append(sizes, 50_000)
	}
	if b.quick {
		sizes = []int{20, 40}
	}
	for i, size := range sizes {
		cases, once := commonCases, nginx
		if i > 0 {
			cases, once = onlyContributors, nil
		}
		if err := b.readsAt(ctx, size, cases, t, once); err != nil {
			return err
		}
	}
	b.print("Reads", "CPU for a request. Every row compares processes that were measured in turn.", t)
	if len(nginx.rows) > 0 {
		b.print("Reads beside nginx", "CPU for a request: the compressed list of 1,000 titles, and the uncompressed "+
			"one as a file that nginx serves, with its access log.", nginx)
	}
	return nil
}

// commonCases returns the cases of the smallest number of titles. etag is that of the compressed list.
func commonCases(titles int, etag string) []readCase {
	list := "/jamf/v1/software"
	cases := []readCase{
		{fmt.Sprintf("list of %d", titles), []readRequest{{list, acceptGzip}}},
		{"list, 304", []readRequest{{list, acceptGzip + "\r\nIf-None-Match: " + etag}}},
		{name: fmt.Sprintf("ten of %d", titles)},
		{name: "definition"},
	}
	for i := range variants {
		ids := make([]string, 10)
		for j := range ids {
			ids[j] = titleID((i*31 + j*97) % titles)
		}
		cases[2].requests = append(cases[2].requests, readRequest{list + "/" + strings.Join(ids, ","), acceptGzip})
		cases[3].requests = append(cases[3].requests, readRequest{"/jamf/v1/patch/" + titleID(i*37%titles), acceptGzip})
	}
	return append(cases, onlyContributors(titles, etag)...)
}

// onlyContributors returns the case of the contributors' lists.
func onlyContributors(titles int, _ string) []readCase {
	c := readCase{name: fmt.Sprintf("a contributor's list at %d", titles)}
	for i := range variants {
		path := "/jamf/v1/" + contributorName(i*13%(titles/contributorSpan)) + "/software"
		c.requests = append(c.requests, readRequest{path, acceptGzip})
	}
	return []readCase{c}
}

// A readTarget is a process that a case is measured with, and its samples.
type readTarget struct {
	*target
	cpu, rate []float64
}

// readsAt measures the cases at one number of titles, and the list beside nginx if that table is not nil.
func (b *bench) readsAt(
	ctx context.Context, titles int, cases func(titles int, etag string) []readCase, t, nginx *table,
) error {
	d := dataSet{titles: titles, versions: b.versions}
	var servers []*server // two of each build: as shipped, and without a log
	for _, bin := range b.builds {
		for _, flag := range []string{"--access-log", "--no-access-log"} {
			s, stop, err := b.started(ctx, bin, d, flag)
			if err != nil {
				return err
			}
			defer stop()
			servers = append(servers, s)
		}
	}
	list := call{method: "GET", path: "/jamf/v1/software", header: http.Header{"Accept-Encoding": {"gzip"}}}
	var etags []string
	for _, s := range servers {
		r, err := s.do(ctx, list, b.timeout)
		if err != nil {
			return err
		}
		etags = append(etags, r.header.Get("ETag"))
	}
	for i := range cases(titles, "") {
		b.log("%s", cases(titles, "")[i].name)
		all := make([]readCase, len(servers))
		for j := range servers {
			all[j] = cases(titles, etags[j])[i]
		}
		if err := b.readCase(ctx, servers, all, t); err != nil {
			return err
		}
	}
	if nginx == nil {
		return nil
	}
	return b.besideNginx(ctx, servers, nginx)
}

// readCase measures one case with the servers and with two bare handlers. cases is the case for each server. The bare
// handlers give the answers of the last build: those of the server as shipped, which have ids, and those of the server
// without a log.
func (b *bench) readCase(ctx context.Context, servers []*server, cases []readCase, t *table) error {
	var targets []*readTarget
	var jobs [][][]byte
	for i, s := range servers {
		targets = append(targets, &readTarget{target: &s.target})
		jobs = append(jobs, cases[i].encoded())
	}
	for i := len(servers) - 2; i < len(servers); i++ {
		bare, err := b.bareOf(ctx, servers[i], cases[i])
		if err != nil {
			return err
		}
		defer bare.kill()
		targets = append(targets, &readTarget{target: bare})
		jobs = append(jobs, cases[i].encoded())
	}
	if err := b.interleave(ctx, targets, jobs); err != nil {
		return err
	}
	bareWithID, bare := targets[len(servers)], targets[len(servers)+1]
	for i, bin := range b.builds {
		shipped, silent := targets[2*i], targets[2*i+1]
		a, z := ratio(bareWithID.cpu, shipped.cpu), ratio(bare.cpu, silent.cpu)
		t.row(cases[0].name, bin.name, median(bareWithID.cpu), median(shipped.cpu), a, a >= goalShipped,
			median(bare.cpu), median(silent.cpu), z, z >= goalSilent, difference(shipped.cpu, silent.cpu),
			median(bareWithID.rate), median(shipped.rate))
	}
	return nil
}

// interleave measures targets in turn, each with its requests.
func (b *bench) interleave(ctx context.Context, targets []*readTarget, requests [][][]byte) error {
	for round := range b.rounds + 1 { // the first one fills caches and is not counted
		for i := range targets {
			at := (i + round) % len(targets)
			j := job{Connections: connections, Time: b.slice, Requests: requests[at]}
			s, err := targets[at].measure(ctx, j, 0)
			if err != nil {
				return err
			}
			if round > 0 {
				targets[at].cpu = append(targets[at].cpu, s.cpu)
				targets[at].rate = append(targets[at].rate, s.rate())
			}
		}
	}
	return nil
}

// encoded returns the requests of a case.
func (c readCase) encoded() (all [][]byte) {
	for _, r := range c.requests {
		all = append(all, get(r.path, r.line))
	}
	return all
}

// bareOf starts a bare handler with the answers of a server to the requests of a case.
func (b *bench) bareOf(ctx context.Context, s *server, c readCase) (*target, error) {
	answers := bareHandler{}
	for _, r := range c.requests {
		header := http.Header{}
		for line := range strings.SplitSeq(r.line, "\r\n") {
			name, value, _ := strings.Cut(line, ": ")
			header.Set(name, value)
		}
		got, err := s.do(ctx, call{method: "GET", path: r.path, header: header, anonymous: true}, b.timeout)
		if err != nil {
			return nil, err
		}
		got.header.Del("Date")
		got.header.Del("Content-Length")
		if got.status == http.StatusOK && len(got.body) > smallBody {
			got.header.Set("Content-Length", fmt.Sprint(len(got.body)))
		}
		answers[r.path] = answer{got.status, got.header, got.body}
	}
	return startBare(ctx, answers)
}
