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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "attach.h"
#include "first.h"
#include "hold.h"
#include "kernel.h"
#include "layers.h"
#include "log.h"
#include "namespaces.h"
#include "output.h"
#include "plan.h"
#include "record.h"
#include "report.h"
#include "wire.h"

enum { most_peers = 8 };
// What an epoll event is about; peers follow from `tag_peer`.
enum {
    tag_listener,
    tag_first,
    tag_first_end,
    tag_status,
    tag_hold,
    tag_output = tag_hold + hold_tags,
    tag_peer = tag_output + output_tags,
    tag_client = tag_peer + most_peers,
};

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
    int status;       // ends when it has
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

static _Noreturn void quit(void) {
    if (guard.first > 0) {
        kill(guard.first, SIGKILL);
        hold_reap();
        waitpid(guard.first, NULL, 0);
    }
    _exit(0);
}

// A container that could not be made: says why and takes down what there is of it.
static _Noreturn void give_up(void) {
    tell_all(&failure);
    quit();
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
        (write_about(pid, "uid_map", users) < 0 || write_about(pid, "gid_map", groups) < 0))
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
    if (write_about(guard.first, "oom_score_adj", score) < 0) give_up();
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
    if (output_make(&plan, theirs) < 0) give_up();
    out[filled++] = guard.start;
    out[filled++] = status[1];
    out[filled++] = theirs[0];
    out[filled++] = theirs[1];
    if (plan.head->flags & SK_PLAN_INPUT && (out[filled++] = output_make_input(&plan)) < 0) give_up();
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
    output_finish();
    struct sk_message record = state_message(SK_TELL_EXITED);
    record.state = SK_STATE_EXITED;
    record.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    record.code = WIFSIGNALED(status) ? 128 + record.signal : WEXITSTATUS(status);
    record.flags = (record_has_memory_deaths(guard.oom_counter) ? SK_EXIT_OUT_OF_MEMORY : 0) | (guard.never_ran ? SK_EXIT_NEVER_RAN : 0);
    record.cookie = (uint32_t)guard.why_code;
    memcpy(record.text, guard.why, sizeof record.text);
    record_write(guard.directory, &record);
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

static void signal_program(int signal) {
    if (signal == SIGKILL) kernel_pidfd_signal(guard.first_end, SIGKILL);
    else if (hold_is_stopped()) hold_signal(signal);
    else if (guard.program_end >= 0) kernel_pidfd_signal(guard.program_end, signal);
}

static void hear_hold(uint64_t number) {
    switch (hold_handle(number)) {
        case hold_has_failed: give_up();
        case hold_is_held: become_prepared(); return;
        case hold_is_started: become_running(); return;
    }
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
        output_take_terminal(fds[0]);
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
            hold_by_itself();
            return;
        case SK_INNER_SETTLED:
            if (guard.state != SK_STATE_BUILDING || guard.program_end >= 0) return;
            know_program(sender);
            if (hold_lead(guard.program, guard.program_end, guard.start) < 0) give_up();
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
    if (guard.never_ran || hold_is_stopped() || guard.state != SK_STATE_PREPARED) return;
    become_running();
}

// Before the program is prepared the event tells it how to go on; once it runs there is none.
static void start_program(int peer) {
    uint64_t one = 1;
    struct sk_message refused = {.kind = SK_TELL_FAILED, .version = SK_PLAN_VERSION, .code = EBUSY, .text = "start: not prepared yet"};
    if (guard.state < SK_STATE_PREPARED) tell(peer, &refused, NULL, 0);
    else if (guard.start >= 0 && write(guard.start, &one, sizeof one) < 0) return;
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
        case SK_ASK_START: start_program(peer); break;
        case SK_ASK_SIGNAL: signal_program(message->code); break;
        case SK_ASK_EXEC:
        case SK_ASK_EXEC_KILL:
            if (guard.first_socket >= 0) wire_send(guard.first_socket, message, fds, count);
            break;
        case SK_ASK_ATTACH:
            if (count != 1) break;
            attach_add(fds[0]);
            return;
        case SK_ASK_RESIZE: output_resize_terminal(message->wide); break;
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
    if (tag >= tag_output && tag < tag_peer) {
        output_handle(tag - tag_output);
        return;
    }
    if (tag >= tag_hold && tag < tag_output) {
        hear_hold(tag - tag_hold);
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
    guard.first_socket = guard.first_end = guard.program_end = guard.start = guard.status = -1;
    guard.directory = guard.oom_counter = -1;
    for (int i = 0; i < most_peers; i++) guard.peers[i] = -1;
    guard.epoll = epoll_create1(EPOLL_CLOEXEC);
    guard.listener = listener;
    fcntl(engine, F_SETFD, FD_CLOEXEC);
    fcntl(listener, F_SETFD, FD_CLOEXEC);
    if (guard.epoll < 0 || listen(listener, 8) < 0) _exit(1);
    watch(listener, tag_listener);
    hold_open(guard.epoll, tag_hold);
    output_open(guard.epoll, tag_output);
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
        output_arrange();
    }
}
