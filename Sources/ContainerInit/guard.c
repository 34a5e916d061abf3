#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "attach.h"
#include "first.h"
#include "kernel.h"
#include "layers.h"
#include "log.h"
#include "plan.h"
#include "report.h"
#include "terminal.h"
#include "wire.h"

enum { most_peers = 8, piece = 8192 };
// What an epoll event is about; peers follow from `tag_peer`.
enum { tag_listener, tag_first, tag_first_end, tag_status, tag_trace, tag_start, tag_output, tag_error, tag_peer, tag_client = tag_peer + most_peers };

static struct {
    int epoll;
    int listener;
    int peers[most_peers];
    uint32_t state;
    pid_t first;      // pid 1 of the container
    int first_socket;
    int first_end;    // pidfd of it
    pid_t program;    // 0 until held
    int program_end;  // pidfd of it
    int start;        // event that lets the program exec, or run when it is stopped after its exec
    int trace;        // SIGCHLD while the program is traced, which is only around its early exec
    int is_stopped;   // the program has its exec behind it, and a stop before its first instruction
    int status;       // ends when it has
    int streams[2];
    int is_waiting;   // no output is read until attached clients have taken what there was
    int is_terminal;  // the first stream is a terminal's master
    int directory;    // the container's state directory
    int oom_counter;  // memory.events or memory.oom_control
    int has_wait_status;
    int wait_status;  // of the program, as our pid 1 told it
    int never_ran;
    int why_code;
    char why[SK_MESSAGE_TEXT];
    uint32_t mark;    // the engines' own
} guard;

static void watch(int fd, uint64_t tag) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag};
    epoll_ctl(guard.epoll, EPOLL_CTL_ADD, fd, &event);
}

static void forget(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static void tell(int peer, const struct sk_message *message, const int *fds, int count) { wire_send(peer, message, fds, count); }

static void tell_all(const struct sk_message *message) {
    for (int i = 0; i < most_peers; i++)
        if (guard.peers[i] >= 0) tell(guard.peers[i], message, NULL, 0);
}

static struct sk_message state_message(uint32_t kind) {
    struct sk_message message = {.kind = kind, .version = SK_PLAN_VERSION, .state = guard.state, .pid = guard.program, .first = guard.first};
    return message;
}

static void tell_state(int peer) {
    struct sk_message message = state_message(SK_TELL_STATE);
    message.flags = guard.mark;
    int held = guard.state == SK_STATE_PREPARED;
    tell(peer, &message, &guard.start, held ? 1 : 0);
}

static void add_peer(int fd) {
    for (int i = 0; i < most_peers; i++)
        if (guard.peers[i] < 0) {
            guard.peers[i] = fd;
            watch(fd, (uint64_t)(tag_peer + i));
            return;
        }
    close(fd);
}

// A traced process that ended is its tracer's to reap first; its pid namespace does not end before.
static void reap_traced(void) {
    int status;
    while (guard.trace >= 0 && waitpid(guard.program, &status, __WALL) > 0)
        if (!WIFSTOPPED(status)) return;
}

static _Noreturn void quit(void) {
    if (guard.first > 0) {
        kill(guard.first, SIGKILL);
        reap_traced();
        waitpid(guard.first, NULL, 0);
    }
    _exit(0);
}

// A container that could not be made: says why and takes down what there is of it.
static _Noreturn void give_up(void) {
    tell_all(&failure);
    quit();
}

static int write_file(pid_t pid, const char *name, const char *text) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return failed("open", path);
    int done = write(file, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : failed("write", path);
    close(file);
    return done;
}

// `text` holds the uid map and, after its NUL, the gid map; empty without a user namespace.
static void make_cradle(const struct sk_message *request, const int *fds, int count) {
    int pair[2];
    if (guard.state != SK_STATE_IDLE) {
        errno = EALREADY;
        failed("clone container", NULL);
        give_up();
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        failed("make socket", NULL);
        give_up();
    }
    int on = 1;
    setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    int pidfd = -1;
    struct clone_args arguments = {
        .flags = request->wide | CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&pidfd, .exit_signal = SIGCHLD};
    if (count > 0) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = (uint64_t)fds[0];
    }
    pid_t pid = kernel_clone3(&arguments);
    if (pid < 0) {
        failed("clone container", NULL);
        give_up();
    }
    if (pid == 0) {
        // Nothing of the guard's but its socket goes with us.
        int socket = fcntl(pair[1], F_DUPFD_CLOEXEC, 3);
        if (socket != 3) {
            dup3(pair[1], 3, O_CLOEXEC);
            socket = 3;
        }
        close_range(4, ~0U, 0);
        first_main(socket);
    }
    close(pair[1]);
    guard.first = pid;
    guard.first_socket = pair[0];
    guard.first_end = pidfd;
    watch(pair[0], tag_first);
    watch(pidfd, tag_first_end);
    const char *users = request->text, *groups = users + strlen(users) + 1;
    if (*users && groups < request->text + SK_MESSAGE_TEXT &&
        (write_file(pid, "uid_map", users) < 0 || write_file(pid, "gid_map", groups) < 0))
        give_up();
    struct sk_message mapped = {.kind = SK_INNER_MAPPED, .version = SK_PLAN_VERSION};
    if (wire_send(guard.first_socket, &mapped, NULL, 0) < 0) {
        failed("tell container", "user map");
        give_up();
    }
    guard.state = SK_STATE_CRADLE;
    struct sk_message told = state_message(SK_TELL_CRADLE);
    tell_all(&told);
}

static int open_users(const struct plan *plan) {
    if (!(plan->head->flags & SK_PLAN_IDMAP)) return -1;
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/user", (int)guard.first);
    int users = open(path, O_RDONLY | O_CLOEXEC);
    if (users < 0) {
        failed("open user namespace", NULL);
        give_up();
    }
    return users;
}

// Pipes owned by the container's user, so that /dev/stdout and /proc/self/fd/1 can be opened again inside.
static void make_streams(const struct plan *plan, int theirs[2]) {
    for (int i = 0; i < 2; i++) {
        int pair[2];
        if (pipe2(pair, O_CLOEXEC) < 0 || fchown(pair[1], plan->head->stdio_owner, plan->head->stdio_group) < 0) {
            failed("make output pipe", NULL);
            give_up();
        }
        fcntl(pair[0], F_SETFL, O_NONBLOCK);
        guard.streams[i] = pair[0];
        theirs[i] = pair[1];
        watch(pair[0], (uint64_t)(tag_output + i));
    }
}

// What clients type, for the program to read.
static int make_input(const struct plan *plan) {
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) < 0 || fchown(pair[0], plan->head->stdio_owner, plan->head->stdio_group) < 0) {
        failed("make input pipe", NULL);
        give_up();
    }
    fcntl(pair[1], F_SETFL, O_NONBLOCK);
    attach_input(pair[1], 1);
    return pair[0];
}

// The program has a terminal instead of the pipes.
static void take_terminal(int master) {
    for (int i = 0; i < 2; i++) forget(&guard.streams[i]);
    guard.is_terminal = 1;
    guard.streams[0] = master;
    fcntl(master, F_SETFL, O_NONBLOCK);
    watch(master, tag_output);
    attach_input(fcntl(master, F_DUPFD_CLOEXEC, 3), 0);
}

static void build(int *fds, int count) {
    struct plan plan;
    int out[SK_MESSAGE_FDS], filled = 0, theirs[2], status[2];
    errno = EINVAL;
    if (guard.state != SK_STATE_CRADLE || count < 2) failed("take launch plan", NULL), give_up();
    if (plan_open(&plan, fds[0]) < 0) give_up();
    guard.state = SK_STATE_BUILDING;
    guard.directory = fds[1];
    guard.oom_counter = count > 2 ? fds[2] : -1;
    char score[16];
    snprintf(score, sizeof score, "%d", plan.head->oom_score);
    if (write_file(guard.first, "oom_score_adj", score) < 0) give_up();
    if (log_open(guard.directory, plan.head->log_bytes, plan.head->log_files) < 0) give_up();
    int users = open_users(&plan);
    out[filled++] = fds[0];
    out[filled] = layers_mount_root(&plan, guard.directory, users);
    if (out[filled++] < 0) give_up();
    guard.start = eventfd(0, EFD_CLOEXEC);
    if (guard.start < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, status) < 0) {
        failed("make start event", NULL);
        give_up();
    }
    guard.status = status[0];
    watch(guard.status, tag_status);
    make_streams(&plan, theirs);
    out[filled++] = guard.start;
    out[filled++] = status[1];
    out[filled++] = theirs[0];
    out[filled++] = theirs[1];
    if (plan.head->flags & SK_PLAN_INPUT) out[filled++] = make_input(&plan);
    const struct sk_step *steps = plan_list(&plan, plan.head->steps);
    for (uint32_t i = 0; i < plan.head->steps.count; i++) {
        if (steps[i].kind != SK_STEP_BIND) continue;
        errno = E2BIG;
        if (filled == SK_MESSAGE_FDS) failed("bind", plan_string(&plan, steps[i].source)), give_up();
        out[filled] = layers_mount_bind(&plan, &steps[i], users);
        if (out[filled++] < 0) give_up();
    }
    struct sk_message message = {.kind = SK_ASK_PLAN, .version = SK_PLAN_VERSION};
    if (wire_send(guard.first_socket, &message, out, filled) < 0) failed("hand over launch plan", NULL), give_up();
    for (int i = 0; i < filled; i++)
        if (out[i] != guard.start) close(out[i]);
    if (users >= 0) close(users);
    plan_close(&plan);
}

// Whether the kernel killed a process of the container for want of memory: the number after "oom_kill " in its counter file.
static int was_out_of_memory(void) {
    char text[1024];
    if (guard.oom_counter < 0) return 0;
    ssize_t got = pread(guard.oom_counter, text, sizeof text - 1, 0);
    if (got <= 0) return 0;
    text[got] = 0;
    const char *at = strstr(text, "oom_kill ");
    return at && at[9] > '0' && at[9] <= '9';
}

// Logs what a stream holds, up to one piece; 0 when it holds nothing.
static int drain(int stream) {
    static char text[piece];
    if (guard.streams[stream] < 0) return 0;
    ssize_t got = read(guard.streams[stream], text, sizeof text);
    if (got > 0) {
        log_append(stream ? "stderr" : "stdout", text, (size_t)got);
        attach_tell(stream + 1, text, (size_t)got);
    } else if (got == 0 || errno != EAGAIN) forget(&guard.streams[stream]);
    return got > 0;
}

// Output is not read while attached clients are behind: a pipe or terminal that is full makes the program wait, as ever.
static void arrange_output(void) {
    int wait = attach_is_behind();
    if (wait == guard.is_waiting) return;
    guard.is_waiting = wait;
    for (int i = 0; i < 2; i++)
        if (guard.streams[i] >= 0) {
            if (wait) epoll_ctl(guard.epoll, EPOLL_CTL_DEL, guard.streams[i], NULL);
            else watch(guard.streams[i], (uint64_t)(tag_output + i));
        }
}

// The record is one write into one sector that the file already has, so it is whole or absent after a crash, and a full disk has room.
// It outlives every process from here on. The disk is only asked to begin: containers end with the machine anyway, and one whose record
// was lost with it counts as killed by that.
static void write_record(const struct sk_message *record) {
    int file = openat(guard.directory, "exit", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (file < 0) return;
    if (pwrite(file, record, sizeof *record, 0) == (ssize_t)sizeof *record)
        sync_file_range(file, 0, sizeof *record, SYNC_FILE_RANGE_WRITE);
    close(file);
}

static _Noreturn void finish(void) {
    int status = 0;
    waitpid(guard.first, &status, 0);
    if (guard.state < SK_STATE_PREPARED) {
        if (failure.kind == 0) {
            errno = ECHILD;
            failed("build container: its first process ended", NULL);
        }
        tell_all(&failure);
        _exit(1);
    }
    if (guard.has_wait_status) status = guard.wait_status;
    attach_flush();
    for (int i = 0; i < 2; i++) {
        // What the pipe still holds; a writer that outlived the container (a descriptor passed out of it) is not waited for.
        for (int reads = 0; reads < 256 && drain(i); reads++) attach_flush();
    }
    struct sk_message record = state_message(SK_TELL_EXITED);
    record.state = SK_STATE_EXITED;
    record.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    record.code = WIFSIGNALED(status) ? 128 + record.signal : WEXITSTATUS(status);
    record.flags = (was_out_of_memory() ? SK_EXIT_OUT_OF_MEMORY : 0) | (guard.never_ran ? SK_EXIT_NEVER_RAN : 0);
    record.cookie = (uint32_t)guard.why_code;
    memcpy(record.text, guard.why, sizeof record.text);
    write_record(&record);
    tell_all(&record);
    _exit(0);
}

static void become_prepared(void) {
    guard.state = SK_STATE_PREPARED;
    for (int i = 0; i < most_peers; i++)
        if (guard.peers[i] >= 0) tell_state(guard.peers[i]);
    layers_release();
}

static void become_running(void) {
    guard.state = SK_STATE_RUNNING;
    forget(&guard.start);
    struct sk_message told = state_message(SK_TELL_STARTED);
    tell_all(&told);
}

static void know_program(pid_t pid) {
    if (guard.program_end >= 0) return;
    guard.program = pid;
    guard.program_end = kernel_pidfd_open(pid);
}

// Lets the settled program exec now if it can be stopped there, else at the start.
static void lead_to_exec(pid_t pid) {
    know_program(pid);
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGCHLD);
    guard.trace = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
    if (guard.trace >= 0 && ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) < 0) forget(&guard.trace);
    if (guard.trace >= 0) watch(guard.trace, tag_trace);
    uint64_t go = guard.trace >= 0 ? SK_GO_EXEC : SK_GO_HOLD;
    if (write(guard.start, &go, sizeof go) < 0) failed("let program exec", NULL), give_up();
}

// The stop outlives the tracing: a stopped process, unlike a traced one, ends and is reaped as any other.
static void stop_after_exec(void) {
    guard.is_stopped = kernel_pidfd_signal(guard.program_end, SIGSTOP) == 0;
    if (!guard.is_stopped) failed("stop program after its exec", NULL), give_up();
    ptrace(PTRACE_DETACH, guard.program, NULL, NULL);
    forget(&guard.trace);
    watch(guard.start, tag_start);
    become_prepared();
}

static void hear_trace(void) {
    struct signalfd_siginfo ended;
    while (read(guard.trace, &ended, sizeof ended) > 0) {}
    int status;
    while (guard.trace >= 0 && waitpid(guard.program, &status, __WALL | WNOHANG) > 0) {
        if (!WIFSTOPPED(status)) {
            // Its parent hears of the end next.
            forget(&guard.trace);
            errno = ECHILD;
            if (guard.state < SK_STATE_PREPARED) failed("exec: the program ended in it", NULL);
            return;
        }
        int event = status >> 16;
        if (event == PTRACE_EVENT_EXEC) {
            stop_after_exec();
            return;
        }
        // A signal is passed on. After an exec that failed the program holds by itself, untraced.
        long signal = event ? 0 : WSTOPSIG(status);
        int is_held = guard.state >= SK_STATE_PREPARED;
        ptrace(is_held ? PTRACE_DETACH : PTRACE_CONT, guard.program, NULL, signal);
        if (is_held) forget(&guard.trace);
    }
}

static void hear_start(void) {
    uint64_t starts;
    if (read(guard.start, &starts, sizeof starts) != (ssize_t)sizeof starts) return;
    kernel_pidfd_signal(guard.program_end, SIGCONT);
    guard.is_stopped = 0;
    become_running();
}

// A stopped program that has not begun takes signals as one before its exec does: by their default, which ends it or is nothing.
static void signal_stopped(int signal) {
    static const int without_effect[] = {SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
    for (unsigned int i = 0; i < sizeof without_effect / sizeof *without_effect; i++)
        if (signal == without_effect[i]) return;
    if (kernel_pidfd_signal(guard.program_end, signal) == 0) kernel_pidfd_signal(guard.program_end, SIGCONT);
}

static void signal_program(int signal) {
    if (signal == SIGKILL) kernel_pidfd_signal(guard.first_end, SIGKILL);
    else if (guard.is_stopped) signal_stopped(signal);
    else if (guard.program_end >= 0) kernel_pidfd_signal(guard.program_end, signal);
}

static void hear_first(void) {
    struct sk_message message;
    int fds[SK_MESSAGE_FDS], count;
    pid_t sender = 0;
    int got = wire_receive(guard.first_socket, &message, fds, &count, &sender, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        forget(&guard.first_socket);
        return;
    }
    if (message.kind == SK_INNER_TERMINAL && count == 1 && guard.state == SK_STATE_BUILDING) {
        take_terminal(fds[0]);
        return;
    }
    wire_close(fds, count);
    switch (message.kind) {
        case SK_TELL_FAILED:
            failure = message;
            if (guard.state < SK_STATE_PREPARED) give_up();
            return;
        case SK_INNER_HELD:
            know_program(sender);
            become_prepared();
            if (guard.trace >= 0) ptrace(PTRACE_INTERRUPT, guard.program, NULL, NULL);
            return;
        case SK_INNER_SETTLED:
            if (guard.state == SK_STATE_BUILDING && guard.program_end < 0) lead_to_exec(sender);
            return;
        case SK_TELL_EXITED:
            guard.has_wait_status = 1;
            guard.wait_status = message.code;
            return;
        case SK_INNER_EXEC_FAILED: message.kind = SK_TELL_FAILED; tell_all(&message); return;
        case SK_TELL_EXEC_EXITED: tell_all(&message); return;
    }
}

// The exec closed the other end without a word, or said what failed; an end before the exec means the program died while it was held.
static void hear_status(void) {
    struct sk_message message;
    int fds[SK_MESSAGE_FDS], count;
    int got = wire_receive(guard.status, &message, fds, &count, NULL, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got == 1) {
        wire_close(fds, count);
        guard.never_ran = 1;
        guard.why_code = message.code;
        memcpy(guard.why, message.text, sizeof guard.why);
        return;
    }
    forget(&guard.status);
    // An early exec, or a death in it, is no start.
    if (guard.never_ran || guard.is_stopped || guard.state != SK_STATE_PREPARED) return;
    become_running();
}

static void obey(int peer, const struct sk_message *message, int *fds, int count) {
    switch (message->kind) {
        case SK_ASK_STATE: tell_state(peer); break;
        case SK_ASK_CRADLE: make_cradle(message, fds, count); break;
        case SK_ASK_PLAN: build(fds, count); return; // keeps the descriptors
        case SK_ASK_JOINED:
        case SK_ASK_SCAFFOLD:
            if (guard.first_socket >= 0) wire_send(guard.first_socket, message, fds, count);
            break;
        case SK_ASK_START: {
            uint64_t one = 1;
            if (guard.start >= 0 && write(guard.start, &one, sizeof one) < 0) break;
            break;
        }
        case SK_ASK_SIGNAL: signal_program(message->code); break;
        case SK_ASK_EXEC:
        case SK_ASK_EXEC_KILL:
            if (guard.first_socket >= 0) wire_send(guard.first_socket, message, fds, count);
            break;
        case SK_ASK_ATTACH:
            if (count != 1) break;
            attach_add(fds[0]);
            return;
        case SK_ASK_RESIZE:
            if (guard.is_terminal && guard.streams[0] >= 0) terminal_resize(guard.streams[0], message->wide);
            break;
        case SK_ASK_MARK: guard.mark = message->flags; break;
        case SK_ASK_QUIT: quit();
    }
    wire_close(fds, count);
}

static void hear_peer(int index) {
    struct sk_message message;
    int fds[SK_MESSAGE_FDS], count;
    int got = wire_receive(guard.peers[index], &message, fds, &count, NULL, 0);
    if (got == 1) {
        obey(guard.peers[index], &message, fds, count);
        return;
    }
    if (got < 0 && errno == EAGAIN) return;
    forget(&guard.peers[index]);
    // Until the container is prepared nobody but the engine that asked for it knows of it.
    int left = 0;
    for (int i = 0; i < most_peers; i++) left += guard.peers[i] >= 0;
    if (left == 0 && guard.state < SK_STATE_PREPARED) quit();
}

static void handle(uint64_t tag, uint32_t events) {
    if (tag >= tag_client) {
        attach_handle(tag - tag_client, events);
        return;
    }
    switch (tag) {
        case tag_listener: {
            int peer = accept4(guard.listener, NULL, NULL, SOCK_CLOEXEC);
            if (peer >= 0) add_peer(peer);
            return;
        }
        case tag_first: hear_first(); return;
        case tag_status: hear_status(); return;
        case tag_trace: hear_trace(); return;
        case tag_start: hear_start(); return;
        case tag_output:
        case tag_error:
            if (!attach_is_behind()) drain((int)(tag - tag_output));
            return;
        case tag_first_end:
            // Its last words first.
            while (guard.first_socket >= 0) {
                struct sk_message message;
                int fds[SK_MESSAGE_FDS], count;
                if (wire_receive(guard.first_socket, &message, fds, &count, NULL, 0) != 1) break;
                wire_close(fds, count);
                if (message.kind == SK_TELL_EXITED) guard.has_wait_status = 1, guard.wait_status = message.code;
                if (message.kind == SK_TELL_FAILED) failure = message;
                if (message.kind == SK_TELL_EXEC_EXITED) tell_all(&message);
            }
            finish();
        default: hear_peer((int)(tag - tag_peer));
    }
}

_Noreturn void guard_main(int engine, int listener) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    guard.first_socket = guard.first_end = guard.program_end = guard.start = guard.trace = guard.status = -1;
    guard.streams[0] = guard.streams[1] = guard.directory = guard.oom_counter = -1;
    for (int i = 0; i < most_peers; i++) guard.peers[i] = -1;
    guard.epoll = epoll_create1(EPOLL_CLOEXEC);
    guard.listener = listener;
    fcntl(engine, F_SETFD, FD_CLOEXEC);
    fcntl(listener, F_SETFD, FD_CLOEXEC);
    if (guard.epoll < 0 || listen(listener, 8) < 0) _exit(1);
    watch(listener, tag_listener);
    attach_open(guard.epoll, tag_client);
    add_peer(engine);
    for (;;) {
        struct epoll_event events[16];
        int ready = epoll_wait(guard.epoll, events, 16, attach_patience());
        attach_expire();
        // The end of the first process comes last: what it said before is handled first.
        for (int pass = 0; pass < 2; pass++)
            for (int i = 0; i < ready; i++)
                if ((events[i].data.u64 == tag_first_end) == pass) handle(events[i].data.u64, events[i].events);
        arrange_output();
    }
}
