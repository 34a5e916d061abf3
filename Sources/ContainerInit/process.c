#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "kernel.h"
#include "report.h"

static int set_limits(const struct plan *plan) {
    const struct sk_limit *limits = plan_list(plan, plan->head->limits);
    for (uint32_t i = 0; i < plan->head->limits.count; i++) {
        struct rlimit limit = {.rlim_cur = limits[i].soft, .rlim_max = limits[i].hard};
        if (setrlimit((__rlimit_resource_t)limits[i].resource, &limit) < 0) return failed("set resource limit", NULL);
    }
    return 0;
}

static int make_directories(const char *path) {
    char part[4096];
    size_t length = strlen(path);
    if (length >= sizeof part) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (size_t i = 1; i <= length; i++) {
        if (i < length && path[i] != '/') continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, 0755) < 0 && errno != EEXIST) return -1;
    }
    return 0;
}

// A working directory reached through a descriptor that leaked from the host shows as unreachable from our root (CVE-2024-21626).
static int enter_directory(const struct plan *plan) {
    const char *directory = plan_string(plan, plan->head->directory);
    if (chdir(directory) < 0) {
        int missing = errno == ENOENT && plan->head->flags & SK_PLAN_MAKE_DIRECTORY;
        if (!missing || make_directories(directory) < 0 || chdir(directory) < 0) return failed("enter working directory", directory);
    }
    char real[4096];
    if (syscall(SYS_getcwd, real, sizeof real) < 0 || real[0] != '/') {
        errno = EXDEV;
        return failed("enter working directory", directory);
    }
    return 0;
}

static int set_streams(struct streams streams) {
    if (streams.input < 0) {
        streams.input = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (streams.input < 0) return failed("open", "/dev/null");
    }
    // Sources may lie among 0-2 themselves.
    int from[3] = {streams.input, streams.output, streams.error};
    for (int i = 0; i < 3; i++) {
        from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 3);
        if (from[i] < 0) return failed("set standard streams", NULL);
    }
    for (int i = 0; i < 3; i++)
        if (dup2(from[i], i) < 0) return failed("set standard streams", NULL);
    for (int i = 0; i < 3; i++) close(from[i]);
    return 0;
}

static int close_others(const int *keep, int count) {
    unsigned int next = 3;
    for (;;) {
        unsigned int kept = ~0U;
        for (int i = 0; i < count; i++)
            if ((unsigned int)keep[i] >= next && (unsigned int)keep[i] < kept) kept = (unsigned int)keep[i];
        if (kept > next && close_range(next, kept == ~0U ? ~0U : kept - 1, 0) < 0) return failed("close descriptors", NULL);
        if (kept == ~0U) return 0;
        next = kept + 1;
    }
}

static int drop_bounding(uint64_t kept) {
    for (int capability = 0; capability < 64; capability++) {
        if (kept >> capability & 1) continue;
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) {
            if (errno == EINVAL) return 0; // beyond the kernel's last
            return failed("drop capability from bounding set", NULL);
        }
    }
    return 0;
}

static int set_capabilities(const struct sk_plan *head) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    for (int i = 0; i < 2; i++) {
        data[i].effective = (uint32_t)(head->effective >> 32 * i);
        data[i].permitted = (uint32_t)(head->permitted >> 32 * i);
        data[i].inheritable = (uint32_t)(head->inheritable >> 32 * i);
    }
    if (syscall(SYS_capset, &header, data) < 0) return failed("set capabilities", NULL);
    for (int capability = 0; capability < 64; capability++)
        if (head->ambient >> capability & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
            return failed("raise ambient capability", NULL);
    return 0;
}

static int set_identity(const struct plan *plan) {
    const struct sk_plan *head = plan->head;
    if (drop_bounding(head->bounding) < 0) return -1;
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) return failed("keep capabilities", NULL);
    const struct sk_bundle *bundle = plan_bundle(plan);
    int denied = bundle && bundle->flags & SK_BUNDLE_DENY_GROUPS && head->groups.count == 0;
    if (!denied && setgroups(head->groups.count, plan_list(plan, head->groups)) < 0) return failed("set groups", NULL);
    if (setresgid(head->gid, head->gid, head->gid) < 0) return failed("set group", NULL);
    if (setresuid(head->uid, head->uid, head->uid) < 0) return failed("set user", NULL);
    return set_capabilities(head);
}

static int install_seccomp(const struct plan *plan) {
    struct sk_list list = plan->head->seccomp;
    if (list.count == 0) return 0;
    struct sock_fprog program = {.len = (unsigned short)list.count, .filter = (struct sock_filter *)plan_list(plan, list)};
    const struct sk_bundle *bundle = plan_bundle(plan);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, bundle ? bundle->seccomp_flags : 0, &program) < 0) return failed("install seccomp filter", NULL);
    return 0;
}

static void default_signals(void) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    for (int signal = 1; signal < 65; signal++) sigaction(signal, &action, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int process_settle(const struct plan *plan, struct streams streams, const int *keep, int keep_count) {
    const struct sk_plan *head = plan->head;
    setsid();
    umask(head->umask);
    if (enter_directory(plan) < 0 || set_streams(streams) < 0 || close_others(keep, keep_count) < 0) return -1;
    if (set_limits(plan) < 0) return -1;
    default_signals();
    // Without no_new_privs a filter needs privileges, so it comes before they go; with it, last, so that the filter need not allow
    // what the steps here use.
    int gains = !(head->flags & SK_PLAN_NO_NEW_PRIVS);
    if (gains && install_seccomp(plan) < 0) return -1;
    if (set_identity(plan) < 0) return -1;
    // Changing identity cleared it. The program of a container without our own pid 1 dies with the guard.
    if (getpid() == 1 && !plan_bundle(plan) && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) return failed("tie to guard", NULL);
    if (gains) return 0;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return failed("set no_new_privs", NULL);
    return install_seccomp(plan);
}

int process_find(const struct plan *plan) {
    const char *program = plan_string(plan, plan->head->programs.offset);
    int worst = ENOENT;
    for (uint32_t i = 0; i < plan->head->programs.count; i++, program += strlen(program) + 1) {
        if (faccessat(AT_FDCWD, program, X_OK, AT_EACCESS) == 0) return 0;
        if (errno != ENOENT && errno != ENOTDIR) worst = errno;
    }
    // What a filter may answer says nothing of the program.
    if (worst == EPERM || worst == ENOSYS) return 0;
    errno = worst;
    return failed("exec", plan_string(plan, plan->head->arguments.offset));
}

int process_exec(const struct plan *plan) {
    const struct sk_plan *head = plan->head;
    const char *arguments[head->arguments.count + 1], *environment[head->environment.count + 1];
    plan_strings(plan, head->arguments, arguments);
    plan_strings(plan, head->environment, environment);
    const char *program = plan_string(plan, head->programs.offset);
    int worst = ENOENT;
    for (uint32_t i = 0; i < head->programs.count; i++, program += strlen(program) + 1) {
        execve(program, (char *const *)arguments, (char *const *)environment);
        if (errno == ENOENT || errno == ENOTDIR) continue;
        worst = errno;
        if (errno != EACCES) break;
    }
    errno = worst;
    return failed("exec", arguments[0]);
}
