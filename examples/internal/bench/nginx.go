package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// nginxConfig is the configuration of an nginx of one process, with an address and the folder of its files.
const nginxConfig = `worker_processes 1;
daemon off;
master_process off;
pid %[2]s/pid;
error_log %[2]s/errors;
events { worker_connections 256; }
http {
	access_log %[2]s/access;
	client_body_temp_path %[2]s/body;
	proxy_temp_path %[2]s/proxy;
	fastcgi_temp_path %[2]s/fastcgi;
	uwsgi_temp_path %[2]s/uwsgi;
	scgi_temp_path %[2]s/scgi;
	sendfile on;
	open_file_cache max=100;
	keepalive_requests 1000000000;
	default_type application/json;
	server { listen %[1]s; root %[2]s; }
}
`

// startNginx starts an nginx that serves one file at a path, with its access log.
func startNginx(ctx context.Context, folder, path string, body []byte) (*target, error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	config, file := filepath.Join(folder, "nginx.conf"), filepath.Join(folder, path)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, body, 0o644); err != nil {
		return nil, err
	}
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, addr, folder), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "nginx", "-c", config, "-e", filepath.Join(folder, "errors"))
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	t := &target{name: "nginx", addr: addr, cmd: cmd}
	for range 500 {
		if conn, err := net.Dial("tcp", addr); err == nil {
			return t, conn.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, t.fail(fmt.Errorf("nginx does not listen on %s: see %s", addr, folder))
}

// besideNginx compares the compressed list of the servers with a file of the uncompressed list that nginx serves.
func (b *bench) besideNginx(ctx context.Context, servers []*server, t *table) error {
	if _, err := exec.LookPath("nginx"); err != nil {
		b.log("nginx is not installed: the list is not compared with it")
		return nil
	}
	const list = "/jamf/v1/software"
	plain := call{method: "GET", path: list, header: http.Header{"Accept-Encoding": {"identity"}}, anonymous: true}
	got, err := servers[0].do(ctx, plain, b.timeout)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp(b.dir, "nginx")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	other, err := startNginx(ctx, folder, list, got.body)
	if err != nil {
		return err
	}
	defer other.kill()
	targets := []*readTarget{{target: other}}
	jobs := [][][]byte{{get(list)}}
	for _, s := range servers {
		targets = append(targets, &readTarget{target: &s.target})
		jobs = append(jobs, [][]byte{get(list, acceptGzip)})
	}
	if err := b.interleave(ctx, targets, jobs); err != nil {
		return err
	}
	for i, bin := range b.builds {
		shipped, silent := targets[1+2*i], targets[2+2*i]
		a, z := ratio(targets[0].cpu, shipped.cpu), ratio(targets[0].cpu, silent.cpu)
		t.row(bin.name, median(targets[0].cpu), median(shipped.cpu), a, a > 1, median(silent.cpu), z)
	}
	return nil
}
