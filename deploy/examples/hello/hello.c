// The example service of Sidekick's demo: an HTTP/1.1 server with a real service time and a real concurrency limit that names its version
// and replica in every answer. Build: cc -O2 -static -pthread -o hello *.c
//
// Environment: SERVICE (hello), VERSION (0), PORT (8080), SERVICE_MS (20) per request, WORK=wait|cpu (wait), CONCURRENCY (4),
// START_MS (0) before it listens, BROKEN=never-ready|crash|500.
//
// On TERM it accepts nothing more, answers what it has with `Connection: close`, and exits 0 when the last connection is done.
#define _GNU_SOURCE
#include "request.h"
#include "work.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { IDLE_SECONDS = 600, REQUEST_SECONDS = 30, LINGER_MS = 1000, DRAIN_IDLE_MS = 200 };

struct connection {
    struct job job;  // first, so that a job is its connection
    struct connection *next, *previous;
    int fd;
    enum { READING, SERVING, WRITING, LINGERING, CLOSED } state;
    bool peer_gone;
    bool close_after;
    struct request request;
    size_t in_count, out_count, out_sent;
    long long deadline;
    char in[REQUEST_HEAD_LIMIT + 1024];
    char out[1024];
};

static struct {
    const char *service, *version, *broken;
    char replica[65];
    int epoll, listener, done, signals;
    bool draining;
    long long drain_began;
    struct connection *first;
    /// Ended connections, freed once the events at hand are done with: one of those may still name them.
    struct connection *ended;
} server;

static long long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static const char *setting(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

static double number_setting(const char *name, const char *otherwise, double low, double high) {
    const char *text = setting(name, otherwise);
    char *end;
    double value = strtod(text, &end);
    if (*end || !(value >= low && value <= high)) {
        fprintf(stderr, "hello: %s is '%s'; give a number from %g to %g\n", name, text, low, high);
        exit(2);
    }
    return value;
}

static void watch(int fd, uint32_t events, void *pointer) {
    struct epoll_event event = {.events = events, .data.ptr = pointer};
    if (epoll_ctl(server.epoll, EPOLL_CTL_ADD, fd, &event) != 0) perror("hello: epoll_ctl");
}

static void end(struct connection *connection) {
    if (connection->next) connection->next->previous = connection->previous;
    if (connection->previous) connection->previous->next = connection->next;
    else server.first = connection->next;
    connection->state = CLOSED;
    connection->next = server.ended;
    server.ended = connection;
}

static void free_ended(void) {
    for (struct connection *connection = server.ended, *next; connection; connection = next) {
        next = connection->next;
        free(connection);
    }
    server.ended = NULL;
}

/// Closes the socket; the connection stays while a worker has its job.
static void hang_up(struct connection *connection) {
    close(connection->fd);
    connection->peer_gone = true;
    if (connection->state == SERVING) work_abandon(&connection->job);
    else end(connection);
}

static const char *reason(int status) {
    switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    default: return "Internal Server Error";
    }
}

/// Sends the rest of the answer, then waits for the next request, or for the peer to close.
static void flush(struct connection *connection) {
    while (connection->out_sent < connection->out_count) {
        ssize_t sent = send(connection->fd, connection->out + connection->out_sent, connection->out_count - connection->out_sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) return;
        if (sent < 0) {
            hang_up(connection);
            return;
        }
        connection->out_sent += (size_t)sent;
    }
    if (connection->close_after) {
        // Closing with unread bytes would reset the connection and could destroy the answer on its way.
        shutdown(connection->fd, SHUT_WR);
        connection->state = LINGERING;
        connection->deadline = now_ms() + LINGER_MS;
    } else {
        connection->state = READING;
        connection->deadline = now_ms() + IDLE_SECONDS * 1000LL;
        request_reset(&connection->request);
    }
}

static void answer(struct connection *connection, int status, const char *body) {
    connection->close_after = server.draining || !connection->request.keep_alive;
    size_t length = strlen(body);
    int count = snprintf(connection->out, sizeof connection->out,
                         "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n%s", status, reason(status), length,
                         connection->close_after ? "Connection: close\r\n" : "", connection->request.is_head ? "" : body);
    connection->out_count = (size_t)count;
    connection->out_sent = 0;
    connection->state = WRITING;
    connection->deadline = now_ms() + REQUEST_SECONDS * 1000LL;
}

static void answer_served(struct connection *connection) {
    char body[512];
    snprintf(body, sizeof body, "{\"service\":\"%.100s\",\"version\":\"%.100s\",\"replica\":\"%s\",\"served\":%llu}\n", server.service,
             server.version, server.replica, connection->job.served);
    answer(connection, strcmp(server.broken, "500") == 0 ? 500 : 200, body);
}

static void complete(struct connection *connection) {
    if (connection->request.is_health) {
        bool ready = strcmp(server.broken, "never-ready") != 0;
        answer(connection, ready ? 200 : 503, ready ? "{\"ready\":true}\n" : "{\"ready\":false}\n");
        return;
    }
    connection->state = SERVING;
    connection->job.abandoned = false;
    work_submit(&connection->job);
}

/// Takes what it can of one request out of what was read; false when that needs more bytes.
static bool take_request(struct connection *connection) {
    size_t taken = 0;
    bool had_head = connection->request.part != READ_HEAD;
    enum request_state state = request_read(&connection->request, connection->in, connection->in_count, &taken);
    memmove(connection->in, connection->in + taken, connection->in_count - taken);
    connection->in_count -= taken;
    if (state == REQUEST_COMPLETE) {
        complete(connection);
    } else if (state == REQUEST_BAD) {
        answer(connection, connection->request.status, "{\"error\":\"bad request\"}\n");
    } else if (!had_head && connection->request.part != READ_HEAD && connection->request.wants_continue) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        // Nothing else is on its way out, so this fits the socket; a peer that is gone shows at the next read.
        if (send(connection->fd, go_on, sizeof go_on - 1, MSG_NOSIGNAL) < 0) return true;
    }
    return state != REQUEST_MORE || taken > 0;
}

/// Reads, answers and writes until nothing moves, or a worker has the request.
static void advance(struct connection *connection) {
    for (;;) {
        if (connection->state == WRITING) {
            flush(connection);
            if (connection->state == WRITING) return;
        }
        if (connection->state != READING && connection->state != LINGERING) return;
        if (connection->state == LINGERING) connection->in_count = 0;
        else if (connection->in_count > 0 && take_request(connection)) continue;
        ssize_t count = recv(connection->fd, connection->in + connection->in_count, sizeof connection->in - connection->in_count, 0);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) return;
        if (count <= 0) {
            hang_up(connection);
            return;
        }
        if (connection->state == READING && connection->in_count == 0) connection->deadline = now_ms() + REQUEST_SECONDS * 1000LL;
        connection->in_count += (size_t)count;
    }
}

static void accept_all(void) {
    for (;;) {
        int fd = accept4(server.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED)) continue;
        if (fd < 0) return;
        struct connection *connection = calloc(1, sizeof *connection);
        if (!connection) {
            close(fd);
            continue;
        }
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        connection->fd = fd;
        connection->deadline = now_ms() + REQUEST_SECONDS * 1000LL;
        connection->next = server.first;
        if (server.first) server.first->previous = connection;
        server.first = connection;
        request_reset(&connection->request);
        watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, connection);
    }
}

static void take_done(void) {
    uint64_t count;
    if (read(server.done, &count, sizeof count) < 0) return;
    for (struct job *job = work_take_done(), *next; job; job = next) {
        next = job->next;
        struct connection *connection = (struct connection *)job;
        if (connection->peer_gone) {
            end(connection);
        } else {
            answer_served(connection);
            advance(connection);
        }
    }
}

static void begin_drain(void) {
    struct signalfd_siginfo info;
    while (read(server.signals, &info, sizeof info) > 0) {}
    if (server.draining) return;
    accept_all();  // whoever is in the backlog has been promised an answer
    close(server.listener);
    server.draining = true;
    server.drain_began = now_ms();
}

/// Ends what has run out of time; while draining, also connections without a request once a crossing one would have arrived.
static void sweep(void) {
    long long now = now_ms();
    for (struct connection *connection = server.first, *next; connection; connection = next) {
        next = connection->next;
        bool idle = connection->state == READING && connection->in_count == 0 && connection->request.part == READ_HEAD;
        bool expired = connection->state != SERVING && now >= connection->deadline;
        if (expired || (server.draining && idle && now >= server.drain_began + DRAIN_IDLE_MS)) hang_up(connection);
    }
}

static void set_up(void) {
    server.service = setting("SERVICE", "hello");
    server.version = setting("VERSION", "0");
    server.broken = setting("BROKEN", "");
    int port = (int)number_setting("PORT", "8080", 1, 65535);
    int workers = (int)number_setting("CONCURRENCY", "4", 1, 1024);
    double service_ms = number_setting("SERVICE_MS", "20", 0, 600000);
    double start_ms = number_setting("START_MS", "0", 0, 600000);
    gethostname(server.replica, sizeof server.replica - 1);

    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    usleep((useconds_t)(start_ms * 1000));
    if (strcmp(server.broken, "crash") == 0) {
        fprintf(stderr, "hello: version %s is broken: it crashes at its start\n", server.version);
        exit(1);
    }
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    server.done = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    server.signals = signalfd(-1, &blocked, SFD_NONBLOCK | SFD_CLOEXEC);
    if (!work_start(workers, service_ms, strcmp(setting("WORK", "wait"), "cpu") == 0, server.done)) {
        fprintf(stderr, "hello: could not start %d workers; raise the limit on processes\n", workers);
        exit(1);
    }
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(server.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = INADDR_ANY};
    if (bind(server.listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(server.listener, 4096) != 0) {
        fprintf(stderr, "hello: cannot listen on port %d: %s\n", port, strerror(errno));
        exit(1);
    }
    watch(server.listener, EPOLLIN, &server.listener);
    watch(server.done, EPOLLIN, &server.done);
    watch(server.signals, EPOLLIN, &server.signals);
    fprintf(stderr, "hello: version %s listens on port %d, %d at once, %g ms each\n", server.version, port, workers, service_ms);
}

int main(void) {
    set_up();
    long long next_sweep = 0;
    while (!server.draining || server.first) {
        struct epoll_event events[256];
        int count = epoll_wait(server.epoll, events, 256, server.draining ? 20 : 1000);
        for (int i = 0; i < count; i++) {
            void *source = events[i].data.ptr;
            if (source == &server.listener) {
                if (!server.draining) accept_all();
            } else if (source == &server.done) {
                take_done();
            } else if (source == &server.signals) {
                begin_drain();
            } else {
                struct connection *connection = source;
                if (connection->peer_gone) continue;
                if (events[i].events & (EPOLLHUP | EPOLLERR)) hang_up(connection);
                else advance(connection);
            }
        }
        if (now_ms() >= next_sweep) {
            sweep();
            next_sweep = now_ms() + (server.draining ? 20 : 1000);
        }
        free_ended();
    }
    fprintf(stderr, "hello: version %s is drained and ends\n", server.version);
    return 0;
}
