#pragma once
// System calls without a wrapper in this C library.
#include <linux/openat2.h>
#include <linux/sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int kernel_openat2(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

static inline int kernel_clone3(struct clone_args *arguments) { return (int)syscall(SYS_clone3, arguments, sizeof *arguments); }

static inline int kernel_pivot_root(const char *new_root, const char *put_old) {
    return (int)syscall(SYS_pivot_root, new_root, put_old);
}

static inline int kernel_pidfd_open(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

static inline int kernel_pidfd_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, (void *)0, 0);
}
