#include "SkSocket.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <linux/sockios.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

_Static_assert(SK_READABLE == EPOLLIN && SK_WRITABLE == EPOLLOUT && SK_ERROR == EPOLLERR, "epoll bits");
_Static_assert(SK_HANGUP == EPOLLHUP && SK_PEER_CLOSED == EPOLLRDHUP, "epoll bits");

#define RESULT(call) \
    ({ __auto_type result_ = (call); result_ < 0 ? (__typeof__(result_))-errno : result_; })

int sk_socket(int family) { return RESULT(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }

int sk_bind(int fd, const struct sockaddr_storage *address, socklen_t length) {
    return RESULT(bind(fd, (const struct sockaddr *)address, length));
}

int sk_listen(int fd, int backlog) { return RESULT(listen(fd, backlog)); }

int sk_accept(int fd, struct sockaddr_storage *peer) {
    socklen_t length = sizeof *peer;
    return RESULT(accept4(fd, (struct sockaddr *)peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

int sk_connect(int fd, const struct sockaddr_storage *address, socklen_t length) {
    return RESULT(connect(fd, (const struct sockaddr *)address, length));
}

int sk_local_address(int fd, struct sockaddr_storage *address) {
    socklen_t length = sizeof *address;
    int result = RESULT(getsockname(fd, (struct sockaddr *)address, &length));
    return result < 0 ? result : (int)length;
}

int sk_peer_address(int fd, struct sockaddr_storage *address) {
    socklen_t length = sizeof *address;
    int result = RESULT(getpeername(fd, (struct sockaddr *)address, &length));
    return result < 0 ? result : (int)length;
}

int sk_socket_error(int fd) {
    int error = 0;
    socklen_t length = sizeof error;
    int result = RESULT(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length));
    return result < 0 ? result : -error;
}

int sk_set_option(int fd, int level, int name, int value) {
    return RESULT(setsockopt(fd, level, name, &value, sizeof value));
}

int sk_set_reset_on_close(int fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    return RESULT(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
}

// The C library's calls that move bytes are cancellation points, which costs two atomic steps each time; no thread here is ever cancelled.
ssize_t sk_receive(int fd, void *bytes, size_t count) { return RESULT(syscall(SYS_recvfrom, fd, bytes, count, 0, NULL, NULL)); }

ssize_t sk_peek(int fd, void *bytes, size_t count) { return RESULT(recv(fd, bytes, count, MSG_PEEK)); }

ssize_t sk_send(int fd, const void *bytes, size_t count, int more) {
    return RESULT(syscall(SYS_sendto, fd, bytes, count, MSG_NOSIGNAL | (more ? MSG_MORE : 0), NULL, 0));
}

ssize_t sk_send2(int fd, const void *first, size_t first_count, const void *second, size_t second_count) {
    struct iovec pieces[2] = {{(void *)first, first_count}, {(void *)second, second_count}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    return RESULT(syscall(SYS_sendmsg, fd, &message, MSG_NOSIGNAL));
}

enum { DESCRIPTORS = 64 };

ssize_t sk_send_descriptors(int fd, const void *bytes, size_t count, const int *descriptors, int descriptor_count) {
    if (descriptor_count < 0 || descriptor_count > DESCRIPTORS) return -EINVAL;
    struct iovec piece = {(void *)bytes, count};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    if (descriptor_count > 0) {
        size_t size = (size_t)descriptor_count * sizeof(int);
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(size);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(header), descriptors, size);
    }
    return RESULT(sendmsg(fd, &message, MSG_NOSIGNAL));
}

ssize_t sk_receive_descriptors(int fd, void *bytes, size_t count, int descriptors[64], int *descriptor_count) {
    struct iovec piece = {bytes, count};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control};
    *descriptor_count = 0;
    ssize_t result = RESULT(recvmsg(fd, &message, MSG_CMSG_CLOEXEC));
    if (result < 0) return result;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        int came = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(descriptors, CMSG_DATA(header), (size_t)came * sizeof(int));
        *descriptor_count = came;
    }
    return result;
}

int sk_unacknowledged(int fd) {
    int count = 0;
    int result = RESULT(ioctl(fd, SIOCOUTQ, &count));
    return result < 0 ? result : count;
}

int sk_shutdown_write(int fd) { return RESULT(shutdown(fd, SHUT_WR)); }

int sk_close(int fd) { return RESULT(close(fd)); }

int sk_epoll_create(void) { return RESULT(epoll_create1(EPOLL_CLOEXEC)); }

int sk_epoll_add(int epoll, int fd, uint32_t events, int edge, uint64_t token) {
    struct epoll_event event = {.events = events | (edge ? (uint32_t)EPOLLET : 0), .data.u64 = token};
    return RESULT(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

int sk_epoll_add_exclusive(int epoll, int fd, uint64_t token) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.u64 = token};
    return RESULT(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

int sk_epoll_remove(int epoll, int fd) { return RESULT(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL)); }

int sk_epoll_wait(int epoll, struct sk_event *events, int capacity, int64_t nanoseconds) {
    struct epoll_event raw[256];
    if (capacity > 256) capacity = 256;
    struct timespec timeout = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    int count = RESULT(epoll_pwait2(epoll, raw, capacity, nanoseconds < 0 ? NULL : &timeout, NULL));
    for (int i = 0; i < count; i++) events[i] = (struct sk_event){raw[i].data.u64, raw[i].events};
    return count;
}

int sk_eventfd(void) { return RESULT(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)); }

int sk_eventfd_signal(int fd) {
    uint64_t one = 1;
    return (int)RESULT(write(fd, &one, sizeof one));
}

int sk_eventfd_clear(int fd) {
    uint64_t count;
    return (int)RESULT(read(fd, &count, sizeof count));
}

int64_t sk_monotonic_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int sk_pin_thread(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    return RESULT(sched_setaffinity(0, sizeof set, &set));
}

void sk_error_text(int number, char *text, size_t capacity) {
    char buffer[128];
    snprintf(text, capacity, "%s", strerror_r(number, buffer, sizeof buffer));
}

void sk_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }
