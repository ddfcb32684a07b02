package sqlstoretest

import (
	"os"
	"syscall"
)

// attributes has a process run as nobody if this one is root's, and get a signal when this process dies.
func attributes(signal syscall.Signal) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: signal}
	if os.Geteuid() == 0 {
		a.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return a
}
