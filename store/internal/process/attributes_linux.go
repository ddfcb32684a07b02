package process

import (
	"os"
	"syscall"
)

// Attributes returns attributes of a process that gets a signal when this one dies. If nobody is set and this process
// is root's, it runs as the user [Nobody].
func Attributes(signal syscall.Signal, nobody bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: signal}
	if nobody && os.Geteuid() == 0 {
		a.Credential = &syscall.Credential{Uid: Nobody, Gid: Nobody}
	}
	return a
}
