#include "hook.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "kernel.h"
#include "report.h"

static _Noreturn void become(const struct plan *plan, const struct sk_hook *hook, int state) {
    const char *arguments[hook->arguments.count + 1], *environment[hook->environment.count + 1];
    plan_strings(plan, hook->arguments, arguments);
    plan_strings(plan, hook->environment, environment);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    lseek(state, 0, SEEK_SET);
    dup2(state, 0);
    if (null >= 0) dup2(null, 1), dup2(null, 2);
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    struct sigaction action = {.sa_handler = SIG_DFL};
    for (int signal = 1; signal < 65; signal++) sigaction(signal, &action, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(plan_string(plan, hook->path), (char *const *)arguments, (char *const *)environment);
    // What an exec answers is told apart from what a hook answers by no more than this.
    _exit(errno == ENOENT ? 127 : 126);
}

static int run(const struct plan *plan, const struct sk_hook *hook, int state) {
    const char *path = plan_string(plan, hook->path);
    pid_t child = fork();
    if (child < 0) return failed("fork for hook", path);
    if (child == 0) become(plan, hook, state);
    int status = 0, end = kernel_pidfd_open(child), in_time = 1;
    struct pollfd ended = {.fd = end, .events = POLLIN};
    if (hook->timeout > 0 && poll(&ended, 1, hook->timeout * 1000) == 0) {
        in_time = 0;
        kill(child, SIGKILL);
    }
    close(end);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (in_time && status == 0) return 0;
    char what[64];
    errno = in_time ? ECANCELED : ETIME;
    if (!in_time) snprintf(what, sizeof what, "wait %d s for hook", hook->timeout);
    else if (WIFSIGNALED(status)) snprintf(what, sizeof what, "go on after signal %d ended hook", WTERMSIG(status));
    else snprintf(what, sizeof what, "go on after exit code %d of hook", WEXITSTATUS(status));
    return failed(what, path);
}

int hooks_run(const struct plan *plan, uint32_t point, int state) {
    const struct sk_bundle *bundle = plan_bundle(plan);
    const struct sk_hook *hooks = plan_list(plan, bundle->hooks);
    for (uint32_t i = 0; i < bundle->hooks.count; i++)
        if (hooks[i].point == point && run(plan, &hooks[i], state) < 0) return -1;
    return 0;
}
