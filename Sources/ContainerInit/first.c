#include "first.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "kernel.h"
#include "namespaces.h"
#include "process.h"
#include "report.h"
#include "root.h"
#include "terminal.h"
#include "wire.h"

// Descriptors that come with SK_ASK_PLAN, in this order; what attached clients type, with SK_PLAN_INPUT, and the detached mounts of the
// bind steps follow.
enum { fd_plan, fd_root, fd_start, fd_status, fd_output, fd_error, fd_binds };
enum { most_extra = 64 };

static int guard_socket;
static int is_joined;

static struct {
    pid_t pid;
    uint32_t cookie;
} extra[most_extra];

static _Noreturn void give_up(void) {
    wire_send(guard_socket, &failure, NULL, 0);
    _exit(1);
}

// Waits for a message; the guard's end is ours.
static void next_message(struct sk_message *message, int *fds, int *count) {
    if (wire_receive(guard_socket, message, fds, count, NULL, 1) != 1) _exit(1);
}

static int wait_joined(uint32_t kind) {
    if (kind != SK_STEP_CGROUPS) return 0;
    struct sk_message message;
    int fds[SK_MESSAGE_FDS], count;
    while (!is_joined) {
        next_message(&message, fds, &count);
        wire_close(fds, count);
        if (message.kind == SK_ASK_JOINED) is_joined = 1;
    }
    return 0;
}

// What needs no plan and can be done long before there is one.
static void become_root(void) {
    struct sk_message message;
    int fds[SK_MESSAGE_FDS], count;
    next_message(&message, fds, &count);
    if (setresgid(0, 0, 0) < 0 || setgroups(0, NULL) < 0 || setresuid(0, 0, 0) < 0) {
        failed("become root of user namespace", NULL);
        give_up();
    }
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    setsid();
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) {
        failed("detach mount propagation", NULL);
        give_up();
    }
    syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0);
    raise_loopback();
}

static void make_scaffold(int fd) {
    struct plan plan;
    if (plan_open(&plan, fd) < 0 || root_scaffold(&plan) < 0) give_up();
    plan_close(&plan);
}

// Makes the process's streams a terminal, whose master goes to `owner`.
static int use_terminal(const struct plan *plan, int owner, struct streams *streams) {
    int master, slave;
    if (terminal_open(plan, &master, &slave) < 0) return -1;
    struct sk_message made = {.kind = SK_INNER_TERMINAL, .version = SK_PLAN_VERSION};
    if (wire_send(owner, &made, &master, 1) < 0) return failed("hand over terminal", NULL);
    close(master);
    *streams = (struct streams){.input = slave, .output = slave, .error = slave};
    return 0;
}

static uint64_t await_start(int event) {
    uint64_t value;
    ssize_t got;
    do got = read(event, &value, sizeof value);
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof value) _exit(1);
    return value;
}

// Execs while the container is still being prepared, if the guard will stop us there. Returns when it will not or the exec failed: that is
// then told at the start.
static void exec_early(const struct plan *plan, int start) {
    struct sk_message settled = {.kind = SK_INNER_SETTLED, .version = SK_PLAN_VERSION};
    if (wire_send(guard_socket, &settled, NULL, 0) < 0) _exit(1);
    if (await_start(start) == SK_GO_EXEC) process_exec(plan);
}

// Settles, says so, and holds until the start event; the guard sees the exec as the end of `status`.
static _Noreturn void hold_and_exec(const struct plan *plan, const int *fds) {
    int keep[4] = {guard_socket, fds[fd_start], fds[fd_status]};
    struct streams streams = {.input = -1, .output = fds[fd_output], .error = fds[fd_error]};
    if (plan->head->flags & SK_PLAN_INPUT) streams.input = fds[fd_binds];
    if (plan->head->flags & SK_PLAN_TERMINAL && use_terminal(plan, guard_socket, &streams) < 0) give_up();
    if (process_settle(plan, streams, keep, 3) < 0) give_up();
    if (plan->head->flags & SK_PLAN_HOLD_AFTER_EXEC) exec_early(plan, fds[fd_start]);
    struct sk_message held = {.kind = SK_INNER_HELD, .version = SK_PLAN_VERSION};
    if (wire_send(guard_socket, &held, NULL, 0) < 0) _exit(1);
    await_start(fds[fd_start]);
    process_exec(plan);
    wire_send(fds[fd_status], &failure, NULL, 0);
    _exit(failure.code == ENOENT ? 127 : 126);
}

static void tell_exec(uint32_t cookie, int status) {
    struct sk_message told = {.kind = SK_TELL_EXEC_EXITED, .version = SK_PLAN_VERSION, .cookie = cookie};
    told.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    told.code = WIFSIGNALED(status) ? 128 + told.signal : WEXITSTATUS(status);
    wire_send(guard_socket, &told, NULL, 0);
}

static _Noreturn void run_extra(uint32_t cookie, int *fds, int count) {
    struct plan plan;
    struct streams streams = {.input = -1};
    if (count == 4) streams = (struct streams){.input = fds[1], .output = fds[2], .error = fds[3]};
    int keep[1] = {guard_socket};
    if (plan_open(&plan, fds[0]) == 0 && (count == 4 || use_terminal(&plan, fds[1], &streams) == 0) && process_settle(&plan, streams, keep, 1) == 0) process_exec(&plan);
    failure.kind = SK_INNER_EXEC_FAILED;
    failure.cookie = cookie;
    wire_send(guard_socket, &failure, NULL, 0);
    _exit(failure.code == ENOENT ? 127 : 126);
}

static void start_extra(const struct sk_message *message, int *fds, int count) {
    int slot = 0;
    while (slot < most_extra && extra[slot].pid) slot++;
    pid_t child = -1;
    errno = EAGAIN;
    if (slot < most_extra && (count == 4 || count == 2)) child = fork();
    if (child == 0) run_extra(message->cookie, fds, count);
    if (child < 0) {
        failed("fork further process", NULL);
        failure.kind = SK_INNER_EXEC_FAILED;
        failure.cookie = message->cookie;
        wire_send(guard_socket, &failure, NULL, 0);
        tell_exec(message->cookie, 126 << 8);
        return;
    }
    extra[slot].pid = child;
    extra[slot].cookie = message->cookie;
}

static void obey_guard(void) {
    struct sk_message message;
    int fds[SK_MESSAGE_FDS], count;
    next_message(&message, fds, &count);
    if (message.kind == SK_ASK_EXEC) start_extra(&message, fds, count);
    if (message.kind == SK_ASK_EXEC_KILL)
        for (int i = 0; i < most_extra; i++)
            if (extra[i].pid && extra[i].cookie == message.cookie) kill(-extra[i].pid, SIGKILL), kill(extra[i].pid, SIGKILL);
    wire_close(fds, count);
}

static void reap(pid_t program) {
    int status;
    pid_t ended;
    // Whoever ends: orphans become children of pid 1.
    while ((ended = wait3(&status, WNOHANG, NULL)) > 0) {
        if (ended == program) {
            struct sk_message told = {.kind = SK_TELL_EXITED, .version = SK_PLAN_VERSION, .code = status};
            wire_send(guard_socket, &told, NULL, 0);
            _exit(0);
        }
        for (int i = 0; i < most_extra; i++)
            if (extra[i].pid == ended) {
                tell_exec(extra[i].cookie, status);
                extra[i].pid = 0;
            }
    }
}

// The container's init: as pid 1 it must reap orphans, and passes on what is sent to it from inside.
static _Noreturn void serve(pid_t program) {
    sigset_t all;
    sigfillset(&all);
    // Stops and continuations of children are not ours to act on: a start should wake only the program.
    struct sigaction ends = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDSTOP};
    sigaction(SIGCHLD, &ends, NULL);
    int signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) _exit(1);
    prctl(PR_SET_NAME, "sidekick-pid1", 0, 0, 0);
    for (;;) {
        struct pollfd ready[2] = {{.fd = signals, .events = POLLIN}, {.fd = guard_socket, .events = POLLIN}};
        if (poll(ready, 2, -1) < 0 && errno != EINTR) _exit(1);
        struct signalfd_siginfo got;
        while (read(signals, &got, sizeof got) == (ssize_t)sizeof got) {
            if (got.ssi_signo == SIGCHLD) continue;
            kill(program, (int)got.ssi_signo);
        }
        reap(program);
        if (ready[1].revents) obey_guard();
    }
}

_Noreturn void first_main(int guard) {
    guard_socket = guard;
    become_root();
    struct sk_message message;
    int fds[SK_MESSAGE_FDS], count;
    for (;;) {
        next_message(&message, fds, &count);
        if (message.kind == SK_ASK_PLAN && count >= fd_binds) break;
        if (message.kind == SK_ASK_SCAFFOLD && count == 1) make_scaffold(fds[0]);
        if (message.kind == SK_ASK_JOINED) is_joined = 1;
        wire_close(fds, count);
    }
    struct plan plan;
    if (plan_open(&plan, fds[fd_plan]) < 0) give_up();
    const char *hostname = plan_string(&plan, plan.head->hostname);
    if (*hostname && sethostname(hostname, strlen(hostname)) < 0) {
        failed("set host name", hostname);
        give_up();
    }
    int binds = fd_binds + (plan.head->flags & SK_PLAN_INPUT ? 1 : 0);
    if (binds > count) {
        errno = EINVAL;
        failed("take launch plan", NULL);
        give_up();
    }
    if (root_build(&plan, fds[fd_root], fds + binds, count - binds, wait_joined, NULL) < 0) give_up();
    wait_joined(SK_STEP_CGROUPS);
    wire_close(fds + binds, count - binds);
    close(fds[fd_root]);
    if (!(plan.head->flags & SK_PLAN_INIT)) hold_and_exec(&plan, fds);
    pid_t program = fork();
    if (program == 0) hold_and_exec(&plan, fds);
    if (program < 0) {
        failed("fork program", NULL);
        give_up();
    }
    wire_close(fds, binds);
    plan_close(&plan);
    serve(program);
}
