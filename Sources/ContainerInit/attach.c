#include "attach.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { largest_packet = 8192, patience = 10000 };

struct client {
    int socket; // -1 for none
    int has_ended; // its input
    int64_t since; // when the first packet began to wait
    size_t count;  // bytes of its packet that wait
};

static struct {
    int epoll;
    uint64_t tag;
    int input;
    int ends;
    size_t at;
    size_t count; // of bytes that the input has not taken yet
    struct client clients[most_clients];
    char typed[4096];
    // Apart from the rest, so that a guard nobody attaches to never touches them.
    char packets[most_clients][1 + largest_packet];
} desk = {.epoll = -1, .input = -1};

static int64_t milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void arrange(int operation, int fd, uint32_t events, uint64_t number) {
    struct epoll_event event = {.events = events, .data.u64 = desk.tag + number};
    epoll_ctl(desk.epoll, operation, fd, &event);
}

static void listen_to(int number) {
    struct client *client = &desk.clients[number];
    if (client->socket < 0) return;
    uint32_t events = (client->has_ended || desk.count ? 0 : EPOLLIN) | (client->count ? EPOLLOUT : 0);
    arrange(EPOLL_CTL_MOD, client->socket, events, (uint64_t)number);
}

static void let_go(struct client *client) {
    if (client->socket >= 0) close(client->socket);
    client->socket = -1;
    client->count = 0;
}

void attach_open(int epoll, uint64_t tag) {
    desk.epoll = epoll;
    desk.tag = tag;
    for (int i = 0; i < most_clients; i++) desk.clients[i].socket = -1;
}

void attach_input(int fd, int ends) {
    if (desk.input >= 0) close(desk.input);
    desk.input = fd;
    desk.ends = ends;
}

void attach_add(int socket) {
    for (int i = 0; i < most_clients; i++) {
        struct client *client = &desk.clients[i];
        if (client->socket >= 0) continue;
        *client = (struct client){.socket = socket};
        fcntl(socket, F_SETFL, O_NONBLOCK);
        arrange(EPOLL_CTL_ADD, socket, 0, (uint64_t)i);
        listen_to(i);
        return;
    }
    close(socket);
}

// Whether the packet that waits is gone.
static int push(struct client *client) {
    ssize_t sent = send(client->socket, desk.packets[client - desk.clients], client->count, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)) return 0;
    if (sent < 0) let_go(client);
    client->count = 0;
    return 1;
}

void attach_tell(int stream, const char *text, size_t length) {
    for (int i = 0; i < most_clients; i++) {
        struct client *client = &desk.clients[i];
        if (client->socket < 0 || client->count || length > largest_packet) continue;
        desk.packets[i][0] = (char)stream;
        memcpy(desk.packets[i] + 1, text, length);
        client->count = length + 1;
        client->since = milliseconds();
        if (!push(client)) listen_to(i);
    }
}

int attach_is_behind(void) {
    for (int i = 0; i < most_clients; i++)
        if (desk.clients[i].count) return 1;
    return 0;
}

int attach_patience(void) {
    int64_t soonest = -1;
    for (int i = 0; i < most_clients; i++)
        if (desk.clients[i].count && (soonest < 0 || desk.clients[i].since < soonest)) soonest = desk.clients[i].since;
    if (soonest < 0) return -1;
    int64_t left = soonest + patience - milliseconds();
    return left > 0 ? (int)left : 0;
}

void attach_expire(void) {
    int64_t now = milliseconds();
    for (int i = 0; i < most_clients; i++)
        if (desk.clients[i].count && now - desk.clients[i].since >= patience) let_go(&desk.clients[i]);
}

// Gives the input what it takes of what was typed; what is left waits until it takes more, and clients with it.
static void feed(void) {
    while (desk.count > 0 && desk.input >= 0) {
        ssize_t taken = write(desk.input, desk.typed + desk.at, desk.count);
        if (taken < 0 && errno == EAGAIN) {
            arrange(EPOLL_CTL_ADD, desk.input, EPOLLOUT, most_clients);
            return;
        }
        if (taken < 0) attach_input(-1, 0);
        else desk.at += (size_t)taken, desk.count -= (size_t)taken;
    }
    desk.count = 0;
}

static void hear(struct client *client, uint32_t events) {
    ssize_t got = recv(client->socket, desk.typed, sizeof desk.typed, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got > 0) {
        desk.at = 0;
        desk.count = (size_t)got;
        feed();
        return;
    }
    // An end of typing is the program's end of input; a client that is gone may come back.
    client->has_ended = 1;
    if (got < 0 || events & EPOLLHUP) let_go(client);
    else if (desk.ends) attach_input(-1, 0);
}

void attach_handle(uint64_t number, uint32_t events) {
    if (number == most_clients) {
        if (desk.input < 0) return;
        epoll_ctl(desk.epoll, EPOLL_CTL_DEL, desk.input, NULL);
        feed();
    } else if (number < most_clients && desk.clients[number].socket >= 0) {
        struct client *client = &desk.clients[number];
        if (events & EPOLLOUT && client->count) push(client);
        if (events & EPOLLIN && desk.count == 0 && !client->has_ended) hear(client, events);
        else if (events & (EPOLLHUP | EPOLLERR)) let_go(client);
    }
    for (int i = 0; i < most_clients; i++) listen_to(i);
}

void attach_flush(void) {
    for (int i = 0; i < most_clients; i++) {
        struct client *client = &desk.clients[i];
        struct pollfd ready = {.fd = client->socket, .events = POLLOUT};
        while (client->count && poll(&ready, 1, 1000) > 0) push(client);
        if (client->count) let_go(client);
    }
}
