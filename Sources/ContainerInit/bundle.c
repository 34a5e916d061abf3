#include "bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "console.h"
#include "hook.h"
#include "kernel.h"
#include "layers.h"
#include "namespaces.h"
#include "process.h"
#include "report.h"
#include "root.h"
#include "wire.h"

enum { first_kept = 3 };

static int runtime;
static struct plan plan;
static const struct sk_bundle *bundle;
static uint32_t kept; // descriptors from 3 on that the program gets
static int hold = -1, status = -1, console = -1;
static int namespaces[SK_MESSAGE_FDS], namespace_count;
static int root = -1;
static int mounts = -1; // to the process that opens mounts on the host
static int is_joined, state = -1;

static _Noreturn void give_up(void) {
    wire_send(runtime, &failure, NULL, 0);
    _exit(1);
}

static void tell(uint32_t kind, pid_t pid) {
    struct sk_message message = {.kind = kind, .version = SK_PLAN_VERSION, .pid = pid};
    if (wire_send(runtime, &message, NULL, 0) < 0) _exit(1);
}

// Without the runtime nobody wants what is being made.
static void await(uint32_t kind, int *fds, int *count, struct sk_message *message) {
    do {
        if (wire_receive(runtime, message, fds, count, NULL, 1) != 1) _exit(1);
        if (message->kind != kind) wire_close(fds, *count);
    } while (message->kind != kind);
}

static void take_orders(void) {
    struct sk_message message;
    int fds[SK_MESSAGE_FDS], count, next = 1;
    await(SK_ASK_BUNDLE, fds, &count, &message);
    int wanted = 1 + !!(message.flags & SK_WITH_HOLD) + !!(message.flags & SK_WITH_STATUS) + !!(message.flags & SK_WITH_CONSOLE);
    errno = EINVAL;
    if (count != wanted) failed("take launch plan", NULL), give_up();
    if (plan_open(&plan, fds[0]) < 0) give_up();
    close(fds[0]);
    bundle = plan_bundle(&plan);
    errno = EINVAL;
    if (!bundle) failed("take launch plan", NULL), give_up();
    kept = message.cookie;
    if (message.flags & SK_WITH_HOLD) hold = fds[next++];
    if (message.flags & SK_WITH_STATUS) status = fds[next++];
    if (message.flags & SK_WITH_CONSOLE) console = fds[next++];
    if (bundle->joined.count == 0) return;
    await(SK_ASK_JOIN, namespaces, &namespace_count, &message);
    errno = EINVAL;
    if (namespace_count != (int)bundle->joined.count) failed("take namespaces", NULL), give_up();
}

// A user namespace with these maps, for mounts. Its process is gone when this returns.
static int users_of(const char *user_map, const char *group_map) {
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) < 0) return failed("make pipe", NULL);
    struct clone_args arguments = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    pid_t child = kernel_clone3(&arguments);
    if (child < 0) return failed("make user namespace for mount", NULL);
    char byte;
    if (child == 0) {
        close(ready[1]);
        _exit(read(ready[0], &byte, 1) < 0);
    }
    close(ready[0]);
    int users = -1;
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/user", (int)child);
    if (write_about(child, "uid_map", user_map) == 0 && write_about(child, "gid_map", group_map) == 0) {
        users = open(path, O_RDONLY | O_CLOEXEC);
        if (users < 0) failed("open", path);
    }
    close(ready[1]);
    waitpid(child, NULL, 0);
    return users;
}

static void open_root(void) {
    if (bundle->flags & SK_BUNDLE_FURTHER) return;
    uint64_t spread = bundle->root_propagation & MS_SLAVE ? MS_SLAVE : MS_PRIVATE;
    root = layers_clone_root(plan_string(&plan, bundle->root), spread);
    if (root < 0) give_up();
}

static int open_mount(uint32_t index) {
    const struct sk_step *step = (const struct sk_step *)plan_list(&plan, plan.head->steps) + index;
    int users = -1;
    if (step->flags & SK_BIND_MAPPED && step->options.count == 2) {
        const char *user_map = plan_string(&plan, step->options.offset);
        users = users_of(user_map, user_map + strlen(user_map) + 1);
        if (users < 0) return -1;
    }
    int mount = layers_mount_bind(&plan, step, users);
    if (users >= 0) close(users);
    return mount;
}

// On the host, with its privileges and mounts, for as long as the container's process asks.
static _Noreturn void serve_mounts(int asking) {
    struct sk_message message;
    int fds[SK_MESSAGE_FDS], count;
    while (wire_receive(asking, &message, fds, &count, NULL, 1) == 1) {
        wire_close(fds, count);
        if (message.cookie >= plan.head->steps.count) break;
        int mount = open_mount(message.cookie);
        wire_send(asking, mount < 0 ? &failure : &message, &mount, mount < 0 ? 0 : 1);
        if (mount >= 0) close(mount);
    }
    _exit(0);
}

static int ask_for_mount(uint32_t index) {
    struct sk_message message = {.kind = SK_ASK_BUNDLE, .version = SK_PLAN_VERSION, .cookie = index};
    int fds[SK_MESSAGE_FDS], count = 0;
    errno = ECHILD;
    if (wire_send(mounts, &message, NULL, 0) < 0 || wire_receive(mounts, &message, fds, &count, NULL, 1) != 1)
        return failed("ask for mount", NULL);
    if (count == 1) return fds[0];
    failure = message;
    return -1;
}

static int has_binds(void) {
    const struct sk_step *steps = plan_list(&plan, plan.head->steps);
    for (uint32_t i = 0; i < plan.head->steps.count; i++)
        if (steps[i].kind == SK_STEP_BIND) return 1;
    return 0;
}

static void join_namespaces(void) {
    const uint32_t *flags = plan_list(&plan, bundle->joined);
    // What is inside must not look at us while we are half in.
    if (namespace_count) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    for (int i = 0; i < namespace_count; i++) {
        if (setns(namespaces[i], (int)flags[i]) < 0) {
            char which[32];
            snprintf(which, sizeof which, "of clone flag 0x%x", flags[i]);
            failed("join namespace", which);
            give_up();
        }
        close(namespaces[i]);
    }
    if (!(bundle->new_namespaces & CLONE_NEWTIME)) return;
    if (unshare(CLONE_NEWTIME) < 0) failed("unshare time namespace", NULL), give_up();
    const char *offsets = plan_string(&plan, bundle->time_offsets);
    int file = *offsets ? open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC) : -1;
    if (*offsets && (file < 0 || write(file, offsets, strlen(offsets)) < 0)) failed("set time offsets", NULL), give_up();
    if (file >= 0) close(file);
}

static void map_users(pid_t child) {
    if (!(bundle->new_namespaces & CLONE_NEWUSER)) return;
    int may_have_groups = !(bundle->flags & SK_BUNDLE_DENY_GROUPS);
    if ((may_have_groups || write_about(child, "setgroups", "deny") == 0) &&
        write_about(child, "uid_map", plan_string(&plan, bundle->user_map)) == 0 &&
        write_about(child, "gid_map", plan_string(&plan, bundle->group_map)) == 0)
        return;
    kill(child, SIGKILL);
    give_up();
}

static void become_root(void) {
    if (!(bundle->flags & SK_BUNDLE_BECOME_ROOT)) return;
    int groups = bundle->flags & SK_BUNDLE_DENY_GROUPS ? 0 : setgroups(0, NULL);
    if (setresgid(0, 0, 0) < 0 || groups < 0 || setresuid(0, 0, 0) < 0) failed("become root of user namespace", NULL), give_up();
}

static int wait_joined(uint32_t kind);

static int run_hooks(void) {
    struct sk_message message;
    int fds[SK_MESSAGE_FDS], count;
    wait_joined(SK_STEP_CGROUPS);
    tell(SK_TELL_HOOKS, 0);
    await(SK_ASK_HOOKS, fds, &count, &message);
    if (count == 1) state = fds[0];
    return hooks_run(&plan, SK_HOOK_CREATE_CONTAINER, state);
}

static int wait_joined(uint32_t kind) {
    struct sk_message message;
    int fds[SK_MESSAGE_FDS], count;
    if (kind == SK_STEP_HOOKS) return run_hooks();
    if (!is_joined) await(SK_ASK_JOINED, fds, &count, &message);
    is_joined = 1;
    return 0;
}

static void set_names(void) {
    const char *host = plan_string(&plan, plan.head->hostname), *domain = plan_string(&plan, bundle->domain_name);
    if (*host && sethostname(host, strlen(host)) < 0) failed("set host name", host), give_up();
    if (*domain && setdomainname(domain, strlen(domain)) < 0) failed("set domain name", domain), give_up();
}

static void build(void) {
    if (bundle->flags & SK_BUNDLE_FURTHER) return;
    int private = bundle->new_namespaces & CLONE_NEWNS;
    if (private && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) failed("detach mount propagation", NULL), give_up();
    if (bundle->new_namespaces & CLONE_NEWNET) raise_loopback();
    set_names();
    if (root_build(&plan, root, NULL, 0, wait_joined, ask_for_mount) < 0) give_up();
    if (mounts >= 0) close(mounts);
    close(root);
}

static void set_scheduling(void) {
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attributes = {sizeof attributes, bundle->scheduler_policy, bundle->scheduler_flags, bundle->scheduler_nice,
                    bundle->scheduler_priority, bundle->scheduler_runtime, bundle->scheduler_deadline, bundle->scheduler_period};
    if (bundle->flags & SK_BUNDLE_SCHEDULER && syscall(SYS_sched_setattr, 0, &attributes, 0) < 0)
        failed("set scheduler", NULL), give_up();
    if (bundle->flags & SK_BUNDLE_IO_PRIORITY && syscall(SYS_ioprio_set, 1, 0, bundle->io_priority) < 0)
        failed("set I/O priority", NULL), give_up();
    if (bundle->flags & SK_BUNDLE_PERSONALITY && personality((unsigned long)bundle->personality) < 0)
        failed("set personality", NULL), give_up();
}

static void set_label(int file) {
    const char *label = plan_string(&plan, bundle->exec_label);
    if (*label && write(file, label, strlen(label)) < 0) failed("set security label", label), give_up();
    if (file >= 0) close(file);
}

// The kernel's own procfs is in reach only before the root changes (CVE-2019-16884).
static int open_label(void) {
    const char *path = plan_string(&plan, bundle->exec_label_file);
    int file = *path ? open(path, O_WRONLY | O_CLOEXEC) : -1;
    if (*path && file < 0) failed("open", path), give_up();
    return file;
}

static void settle(void) {
    int keep[4 + kept], count = 0;
    struct streams streams = {.input = 0, .output = 1, .error = 2};
    if (bundle->flags & SK_BUNDLE_TERMINAL) {
        int terminal = console_hand_over(&plan, console);
        if (terminal < 0 || console_control(terminal) < 0) give_up();
        streams = (struct streams){terminal, terminal, terminal};
    }
    // All but those of the program close with the exec.
    keep[count++] = runtime;
    if (hold >= 0) keep[count++] = hold;
    if (status >= 0) keep[count++] = status;
    if (state >= 0) keep[count++] = state;
    for (uint32_t i = 0; i < kept; i++) keep[count++] = first_kept + (int)i;
    if (process_settle(&plan, streams, keep, count) < 0 || process_find(&plan) < 0) give_up();
}

static _Noreturn void fail_start(void) {
    if (status >= 0 && write(status, &failure, sizeof failure) < 0) _exit(1);
    wire_send(runtime, &failure, NULL, 0);
    _exit(failure.code == ENOENT ? 127 : 126);
}

static _Noreturn void inner_main(int mapped) {
    char byte;
    if (read(mapped, &byte, 1) != 1) _exit(1);
    close(mapped);
    become_root();
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    setsid();
    if (bundle->flags & SK_BUNDLE_NEW_KEYRING) syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0);
    int label = open_label();
    build();
    wait_joined(SK_STEP_CGROUPS);
    set_scheduling();
    set_label(label);
    settle();
    if (hold >= 0) {
        tell(SK_TELL_STATE, 0);
        ssize_t got;
        do got = read(hold, &byte, 1);
        while (got < 0 && errno == EINTR);
        if (got != 1) _exit(1);
        if (state >= 0 && hooks_run(&plan, SK_HOOK_START_CONTAINER, state) < 0) fail_start();
    }
    process_exec(&plan);
    fail_start();
}

// Joins and clones, and is gone; a process that opens mounts stays behind on the host. All are children of the runtime, which is told of
// the container's, and of this one in `first` where the other stays.
static _Noreturn void enter(void) {
    pid_t self = mounts >= 0 ? getpid() : 0;
    join_namespaces();
    int mapped[2];
    if (pipe2(mapped, O_CLOEXEC) < 0) failed("make pipe", NULL), give_up();
    // A time namespace is entered by the first child after it was made, a cgroup namespace is made once in the right group.
    uint64_t later = CLONE_NEWTIME | CLONE_NEWCGROUP;
    struct clone_args arguments = {.flags = (bundle->new_namespaces & ~later) | CLONE_PARENT};
    pid_t child = kernel_clone3(&arguments);
    if (child < 0) failed("clone container", NULL), give_up();
    if (child == 0) {
        close(mapped[1]);
        inner_main(mapped[0]);
    }
    close(mapped[0]);
    map_users(child);
    struct sk_message message = {.kind = SK_TELL_CRADLE, .version = SK_PLAN_VERSION, .pid = child, .first = self};
    if (wire_send(runtime, &message, NULL, 0) < 0 || write(mapped[1], "", 1) != 1) _exit(1);
    _exit(0);
}

_Noreturn void bundle_main(int connection) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    runtime = connection;
    fcntl(runtime, F_SETFD, FD_CLOEXEC);
    take_orders();
    open_root();
    if (!has_binds()) enter();
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) failed("make socket", NULL), give_up();
    struct clone_args arguments = {.flags = CLONE_PARENT};
    pid_t child = kernel_clone3(&arguments);
    if (child < 0) failed("fork", NULL), give_up();
    if (child == 0) {
        close(pair[0]);
        mounts = pair[1];
        enter();
    }
    // Whoever else holds the runtime's socket would hide its end, and that of the container's process.
    close(pair[1]);
    close(runtime);
    close(root);
    serve_mounts(pair[0]);
}
