#include "hold.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "kernel.h"
#include "plan.h"
#include "report.h"

enum { tag_trace, tag_start };

static struct {
    int epoll;
    uint64_t tag;
    // How far it is. Before and after, the program is none of ours.
    enum { free_of_us, led_to_exec, let_go, stopped } at;
    pid_t program;
    int program_end; // pidfd of it
    int start;
    int trace;       // SIGCHLD while the program is traced
} hold;

static void watch(int fd, uint64_t tag) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = hold.tag + tag};
    epoll_ctl(hold.epoll, EPOLL_CTL_ADD, fd, &event);
}

static void end_trace(void) {
    close(hold.trace);
    hold.trace = -1;
}

void hold_open(int epoll, uint64_t tag) {
    hold.epoll = epoll;
    hold.tag = tag;
    hold.trace = -1;
}

// A tracer killed before the stop takes the program with it.
static int seize(void) {
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGCHLD);
    hold.trace = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
    if (hold.trace < 0) return -1;
    if (ptrace(PTRACE_SEIZE, hold.program, NULL, PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) == 0) return 0;
    end_trace();
    return -1;
}

int hold_lead(pid_t program, int program_end, int start) {
    hold.program = program;
    hold.program_end = program_end;
    hold.start = start;
    int is_seized = seize() == 0;
    if (is_seized) {
        hold.at = led_to_exec;
        watch(hold.trace, tag_trace);
    }
    uint64_t go = is_seized ? SK_GO_EXEC : SK_GO_HOLD;
    return write(start, &go, sizeof go) < 0 ? failed("let program exec", NULL) : 0;
}

// A traced process is let go while it stands still only, so it is asked to.
void hold_by_itself(void) {
    if (hold.at != led_to_exec) return;
    hold.at = let_go;
    ptrace(PTRACE_INTERRUPT, hold.program, NULL, NULL);
}

static void detach(long signal) {
    ptrace(PTRACE_DETACH, hold.program, NULL, signal);
    end_trace();
}

// The stop outlives the tracing: a stopped process, unlike a traced one, ends and is reaped as any other.
static int stop_after_exec(void) {
    if (kernel_pidfd_signal(hold.program_end, SIGSTOP) < 0) {
        failed("stop program after its exec", NULL);
        return hold_has_failed;
    }
    hold.at = stopped;
    detach(0);
    watch(hold.start, tag_start);
    return hold_is_held;
}

static int hear_trace(void) {
    struct signalfd_siginfo ended;
    while (read(hold.trace, &ended, sizeof ended) > 0) {}
    int status;
    while (hold.trace >= 0 && waitpid(hold.program, &status, __WALL | WNOHANG) > 0) {
        if (!WIFSTOPPED(status)) {
            // Its parent hears of the end next.
            end_trace();
            errno = ECHILD;
            if (hold.at == led_to_exec) failed("exec: the program ended in it", NULL);
            hold.at = free_of_us;
            return hold_nothing;
        }
        int event = status >> 16;
        // One that was let go after an exec that failed may have been started, and have found its program, before it stood still.
        if (event == PTRACE_EVENT_EXEC && hold.at == led_to_exec) return stop_after_exec();
        long signal = event ? 0 : WSTOPSIG(status); // is passed on
        if (hold.at == let_go) detach(signal);
        else ptrace(PTRACE_CONT, hold.program, NULL, signal);
    }
    return hold_nothing;
}

static int hear_start(void) {
    uint64_t starts;
    if (hold.at != stopped || read(hold.start, &starts, sizeof starts) != (ssize_t)sizeof starts) return hold_nothing;
    hold.at = free_of_us;
    kernel_pidfd_signal(hold.program_end, SIGCONT);
    return hold_is_started;
}

int hold_handle(uint64_t number) { return number == tag_trace ? hear_trace() : hear_start(); }

int hold_is_stopped(void) { return hold.at == stopped; }

void hold_signal(int signal) {
    static const int without_effect[] = {SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
    for (unsigned int i = 0; i < sizeof without_effect / sizeof *without_effect; i++)
        if (signal == without_effect[i]) return;
    if (kernel_pidfd_signal(hold.program_end, signal) == 0) kernel_pidfd_signal(hold.program_end, SIGCONT);
}

void hold_reap(void) {
    int status;
    while (hold.trace >= 0 && waitpid(hold.program, &status, __WALL) > 0)
        if (!WIFSTOPPED(status)) return;
}
