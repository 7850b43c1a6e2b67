package jail

// callsOld are calls that newer processors do without, because others do the
// same.
func callsOld() []string {
	return []string{
		"arch_prctl", "open", "creat", "stat", "lstat", "access", "readlink", "getdents", "poll", "select",
		"pipe", "dup2", "fork", "vfork", "mkdir", "rmdir", "unlink", "rename", "link", "symlink", "chmod",
		"utime", "utimes", "futimesat", "epoll_create", "epoll_wait", "eventfd", "signalfd", "inotify_init",
		"alarm", "pause", "time", "getpgrp",
	}
}
