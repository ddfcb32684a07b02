package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// roleVariable is the environment variable that makes the program the child process of another run.
const roleVariable = "BENCH_ROLE"

// roleOf returns the role of this process, and false if it is not a child process.
func roleOf(environ []string) (string, bool) {
	for _, v := range environ {
		if role, ok := strings.CutPrefix(v, roleVariable+"="); ok {
			return role, true
		}
	}
	return "", false
}

// runRole runs a child process: the bare handler or the load generator.
func runRole(role string, in io.Reader, out io.Writer) error {
	switch role {
	case "bare":
		return serveBare(in, out)
	case "load":
		var j job
		if err := json.NewDecoder(in).Decode(&j); err != nil {
			return err
		}
		r, err := j.run()
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(r)
	}
	return fmt.Errorf("unknown role %q", role)
}

// roleCommand returns the command of a child process that writes its messages to standard error.
func roleCommand(ctx context.Context, role string) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	return cmd, nil
}

// load runs a load generator to its end.
func load(ctx context.Context, j job) (r result, err error) {
	cmd, err := roleCommand(ctx, "load")
	if err != nil {
		return r, err
	}
	in, err := json.Marshal(j)
	if err != nil {
		return r, err
	}
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("load generator: %w", err)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("load generator: %w", err)
	}
	if r.Failed > 0 {
		return r, fmt.Errorf("%d of %d requests failed, the first with: %s", r.Failed, r.Requests, r.Failure)
	}
	if r.Requests == 0 {
		return r, fmt.Errorf("no request was answered")
	}
	return r, nil
}
