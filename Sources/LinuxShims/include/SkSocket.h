#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

// Sockets, epoll and eventfd. Every function returns a value of at least 0, or the negative errno; none retries, none logs.
// Every descriptor made here is non-blocking and close-on-exec.

/// A socket of `family` (AF_INET, AF_INET6, AF_UNIX), type SOCK_STREAM.
int sk_socket(int family);
int sk_bind(int fd, const struct sockaddr_storage *address, socklen_t length);
int sk_listen(int fd, int backlog);
/// The next connection, and who made it.
int sk_accept(int fd, struct sockaddr_storage *peer);
/// 0 when connected at once, -EINPROGRESS when on the way.
int sk_connect(int fd, const struct sockaddr_storage *address, socklen_t length);
/// The address the socket is bound to; returns its length.
int sk_local_address(int fd, struct sockaddr_storage *address);
int sk_peer_address(int fd, struct sockaddr_storage *address);
/// The error a failed connect left on the socket, as a negative errno; 0 when there is none.
int sk_socket_error(int fd);
int sk_set_option(int fd, int level, int name, int value);
/// Closing sends a reset and discards what is unsent.
int sk_set_reset_on_close(int fd);
ssize_t sk_receive(int fd, void *bytes, size_t count);
/// Looks at what is there without taking it: 0 means the peer closed, -EAGAIN that the connection is quiet and open.
ssize_t sk_peek(int fd, void *bytes, size_t count);
/// Never raises SIGPIPE.
ssize_t sk_send(int fd, const void *bytes, size_t count, int more);
/// Sends two pieces with one call.
ssize_t sk_send2(int fd, const void *first, size_t first_count, const void *second, size_t second_count);
/// Sends bytes with descriptors (at most 64) over a Unix socket; the descriptors stay the caller's.
ssize_t sk_send_descriptors(int fd, const void *bytes, size_t count, const int *descriptors, int descriptor_count);
/// Receives bytes, and up to 64 descriptors that came with them, which are the caller's and close on exec.
ssize_t sk_receive_descriptors(int fd, void *bytes, size_t count, int descriptors[64], int *descriptor_count);
/// How many bytes that were sent the peer has not acknowledged yet.
int sk_unacknowledged(int fd);
/// Ends our direction of the connection.
int sk_shutdown_write(int fd);
int sk_close(int fd);

struct sk_event {
    uint64_t token;
    uint32_t events;
};

#define SK_READABLE 0x001u
#define SK_WRITABLE 0x004u
#define SK_ERROR 0x008u
#define SK_HANGUP 0x010u
#define SK_PEER_CLOSED 0x2000u

int sk_epoll_create(void);
/// Edge-triggered when `edge` is not 0.
int sk_epoll_add(int epoll, int fd, uint32_t events, int edge, uint64_t token);
/// For a listener shared by several loops: one of them is woken.
int sk_epoll_add_exclusive(int epoll, int fd, uint64_t token);
int sk_epoll_remove(int epoll, int fd);
/// Waits up to `nanoseconds` (negative: for ever) and returns how many events it wrote, at most `capacity`.
int sk_epoll_wait(int epoll, struct sk_event *events, int capacity, int64_t nanoseconds);
int sk_eventfd(void);
int sk_eventfd_signal(int fd);
int sk_eventfd_clear(int fd);
int64_t sk_monotonic_nanoseconds(void);
/// Writes the system's words for an error number, zero-terminated.
void sk_error_text(int number, char *text, size_t capacity);
/// Names the calling thread; at most 15 bytes.
void sk_name_thread(const char *name);
/// Keeps the calling thread on one processor.
int sk_pin_thread(int processor);
