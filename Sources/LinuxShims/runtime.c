#include "SkRuntime.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { stack_size = 65536, close_on_exec = 4 /* CLOSE_RANGE_CLOEXEC */ };

static void default_signals(void) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    for (int signal = 1; signal < 65; signal++) sigaction(signal, &action, NULL);
}

// Runs `child` on a stack of its own in this process's memory until its exec, no signal handler of ours running in it.
static int spawn(int (*child)(void *), void *argument, int *error) {
    char *stack = mmap(NULL, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) return -errno;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int pid = clone(child, stack + stack_size, CLONE_VM | CLONE_VFORK | SIGCHLD, argument);
    int failure = pid < 0 ? errno : *error;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stack, stack_size);
    if (pid >= 0 && failure) waitpid(pid, NULL, 0);
    return failure ? -failure : pid;
}

struct bundle_spawn {
    int executable, connection, first_free, error;
};

static int bundle_child(void *argument) {
    struct bundle_spawn *spawn = argument;
    int connection = fcntl(spawn->connection, F_DUPFD_CLOEXEC, spawn->first_free);
    int executable = fcntl(spawn->executable, F_DUPFD_CLOEXEC, spawn->first_free);
    char number[16];
    char *arguments[] = {(char *)"sidekick-init", (char *)"bundle", number, NULL}, *environment[] = {NULL};
    if (connection >= 0 && executable >= 0) {
        snprintf(number, sizeof number, "%d", connection);
        default_signals();
        if (syscall(SYS_close_range, spawn->first_free, ~0U, close_on_exec) == 0 && fcntl(connection, F_SETFD, 0) == 0)
            syscall(SYS_execveat, executable, "", arguments, environment, AT_EMPTY_PATH);
    }
    spawn->error = errno;
    _exit(127);
}

int sk_bundle_spawn(int executable, int connection, int first_free) {
    struct bundle_spawn argument = {executable, connection, first_free, 0};
    return spawn(bundle_child, &argument, &argument.error);
}

struct hook_spawn {
    const char *path, *directory;
    char *const *arguments, *const *environment;
    int input, output, errors, error;
};

static int hook_child(void *argument) {
    struct hook_spawn *spawn = argument;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    default_signals();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (null >= 0 && dup2(spawn->input, 0) == 0 && dup2(spawn->output >= 0 ? spawn->output : null, 1) == 1 && dup2(spawn->errors >= 0 ? spawn->errors : null, 2) == 2 &&
        syscall(SYS_close_range, 3, ~0U, close_on_exec) == 0 && (!spawn->directory || chdir(spawn->directory) == 0))
        execve(spawn->path, spawn->arguments, spawn->environment);
    spawn->error = errno;
    _exit(127);
}

int sk_hook_spawn(const char *path, char *const arguments[], char *const environment[], const char *directory, int input, int output,
                  int errors) {
    struct hook_spawn argument = {path, directory, arguments, environment, input, output, errors, 0};
    return spawn(hook_child, &argument, &argument.error);
}

int sk_process_open(int pid) {
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    return process < 0 ? -errno : process;
}

int sk_process_signal(int process, int signal) {
    return syscall(SYS_pidfd_send_signal, process, signal, NULL, 0) < 0 ? -errno : 0;
}

int sk_become_subreaper(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ? -errno : 0; }

int sk_wait_child(int pid) {
    int status, got;
    do got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : status;
}

void sk_signals_forward(int process) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    int signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    struct pollfd ready[2] = {{.fd = process, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    while (ready[0].revents == 0) {
        if (poll(ready, 2, -1) < 0 && errno != EINTR) break;
        struct signalfd_siginfo got;
        while (signals >= 0 && read(signals, &got, sizeof got) == (ssize_t)sizeof got)
            if (got.ssi_signo != SIGCHLD) sk_process_signal(process, (int)got.ssi_signo);
    }
    if (signals >= 0) close(signals);
}

int sk_stream_connect(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    // Through /proc, since a socket's path may have 107 bytes only.
    int place = open(path, O_PATH | O_CLOEXEC);
    if (place < 0) return -errno;
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", place);
    int stream = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = stream < 0 || connect(stream, (struct sockaddr *)&address, sizeof address) < 0 ? errno : 0;
    close(place);
    if (error && stream >= 0) close(stream);
    return error ? -error : stream;
}

int sk_stream_pair(int descriptors[2]) { return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, descriptors) < 0 ? -errno : 0; }

int sk_descriptor_receive(int socket) {
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    char bytes[256];
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof bytes};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t got;
    do got = recvmsg(socket, &packet, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0) return -errno;
    struct cmsghdr *header = CMSG_FIRSTHDR(&packet);
    int descriptor;
    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) return -EPROTO;
    memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
    return descriptor;
}

int sk_fifo_open(int directory, const char *name, int writing) {
    int fifo = openat(directory, name, (writing ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    return fifo < 0 ? -errno : fifo;
}

_Static_assert(sizeof(struct termios) <= sizeof(struct sk_terminal), "room for the terminal's settings");

int sk_terminal_raw(int terminal, struct sk_terminal *saved) {
    struct termios settings;
    if (tcgetattr(terminal, &settings) < 0) return -errno;
    memcpy(saved->before, &settings, sizeof settings);
    cfmakeraw(&settings);
    return tcsetattr(terminal, TCSANOW, &settings) < 0 ? -errno : 0;
}

void sk_terminal_restore(int terminal, const struct sk_terminal *saved) {
    struct termios settings;
    memcpy(&settings, saved->before, sizeof settings);
    tcsetattr(terminal, TCSANOW, &settings);
}

int sk_terminal_copy_size(int from, int to) {
    struct winsize size;
    return ioctl(from, TIOCGWINSZ, &size) < 0 || ioctl(to, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

// 1 when something was passed on, 0 at the end of `from`, -1 when nothing is there now.
static int pass_on(int from, int to) {
    char bytes[16384];
    ssize_t got = read(from, bytes, sizeof bytes);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return -1;
    if (got <= 0) return 0;
    for (ssize_t at = 0; at < got;) {
        ssize_t wrote = write(to, bytes + at, (size_t)(got - at));
        if (wrote < 0 && errno != EINTR) return 0;
        if (wrote > 0) at += wrote;
    }
    return 1;
}

int sk_terminal_relay(int master, int input, int output, int process) {
    sigset_t resized;
    sigemptyset(&resized);
    sigaddset(&resized, SIGWINCH);
    pthread_sigmask(SIG_BLOCK, &resized, NULL);
    int signals = signalfd(-1, &resized, SFD_CLOEXEC | SFD_NONBLOCK);
    struct pollfd ready[4] = {{.fd = master, .events = POLLIN}, {.fd = input, .events = POLLIN}, {.fd = process, .events = POLLIN},
                              {.fd = signals, .events = POLLIN}};
    int ended = 0;
    while (ready[0].fd >= 0) {
        int count = poll(ready, 4, ended ? 100 : -1);
        if (count < 0 && errno != EINTR) return -errno;
        if (count == 0 && ended) break;
        if (count <= 0) continue;
        if (ready[0].revents && pass_on(master, output) == 0) ready[0].fd = -1;
        if (ready[1].revents && pass_on(input, master) == 0) {
            // The end of a pipe is the end of what is typed.
            if (!isatty(input) && write(master, "\004", 1) < 0) return -errno;
            ready[1].fd = -1;
        }
        if (ready[2].revents) ended = 1, ready[2].fd = -1, ready[1].fd = -1;
        struct signalfd_siginfo got;
        if (ready[3].revents && read(signals, &got, sizeof got) > 0) sk_terminal_copy_size(input, master);
    }
    if (signals >= 0) close(signals);
    return 0;
}
