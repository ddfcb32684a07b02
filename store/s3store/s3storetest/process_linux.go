package s3storetest

import "syscall"

// attributes has a process killed when this one dies.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
