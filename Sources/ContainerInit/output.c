#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "attach.h"
#include "log.h"
#include "report.h"
#include "terminal.h"

enum { piece = 8192, most_left = 256 };

static struct {
    int epoll;
    uint64_t tag;
    int streams[2];
    int is_waiting;  // nothing is read until attached clients have taken what there was
    int is_terminal; // the first stream is a terminal's master
} output = {.streams = {-1, -1}};

void output_open(int epoll, uint64_t tag) {
    output.epoll = epoll;
    output.tag = tag;
}

static void watch(int stream) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = output.tag + (uint64_t)stream};
    epoll_ctl(output.epoll, EPOLL_CTL_ADD, output.streams[stream], &event);
}

static void forget(int stream) {
    if (output.streams[stream] >= 0) close(output.streams[stream]);
    output.streams[stream] = -1;
}

// A pipe whose end `theirs` is owned by the container's user, so that /dev/stdout and /proc/self/fd/1 can be opened again inside.
static int make_pipe(const struct plan *plan, int pair[2], int theirs) {
    if (pipe2(pair, O_CLOEXEC) < 0 || fchown(pair[theirs], plan->head->stdio_owner, plan->head->stdio_group) < 0) return -1;
    fcntl(pair[!theirs], F_SETFL, O_NONBLOCK);
    return 0;
}

int output_make(const struct plan *plan, int theirs[2]) {
    for (int i = 0; i < 2; i++) {
        int pair[2];
        if (make_pipe(plan, pair, 1) < 0) return failed("make output pipe", NULL);
        output.streams[i] = pair[0];
        theirs[i] = pair[1];
        watch(i);
    }
    return 0;
}

int output_make_input(const struct plan *plan) {
    int pair[2];
    if (make_pipe(plan, pair, 0) < 0) return failed("make input pipe", NULL);
    attach_input(pair[1], 1);
    return pair[0];
}

void output_take_terminal(int master) {
    for (int i = 0; i < 2; i++) forget(i);
    output.is_terminal = 1;
    output.streams[0] = master;
    fcntl(master, F_SETFL, O_NONBLOCK);
    watch(0);
    attach_input(fcntl(master, F_DUPFD_CLOEXEC, 3), 0);
}

void output_resize_terminal(uint64_t size) {
    if (output.is_terminal && output.streams[0] >= 0) terminal_resize(output.streams[0], size);
}

// Logs what a stream holds, up to one piece; 0 when it holds nothing.
static int drain(int stream) {
    static char text[piece];
    if (output.streams[stream] < 0) return 0;
    ssize_t got = read(output.streams[stream], text, sizeof text);
    if (got > 0) {
        log_append(stream ? "stderr" : "stdout", text, (size_t)got);
        attach_tell(stream + 1, text, (size_t)got);
    } else if (got == 0 || errno != EAGAIN) forget(stream);
    return got > 0;
}

void output_handle(uint64_t number) {
    if (!attach_is_behind()) drain((int)number);
}

void output_arrange(void) {
    int wait = attach_is_behind();
    if (wait == output.is_waiting) return;
    output.is_waiting = wait;
    for (int i = 0; i < 2; i++)
        if (output.streams[i] >= 0) {
            if (wait) epoll_ctl(output.epoll, EPOLL_CTL_DEL, output.streams[i], NULL);
            else watch(i);
        }
}

void output_finish(void) {
    attach_flush();
    for (int i = 0; i < 2; i++) {
        // What the pipe still holds; a writer that outlived the container (a descriptor passed out of it) is not waited for.
        for (int reads = 0; reads < most_left && drain(i); reads++) attach_flush();
    }
}
