#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "SkPlan.h"

// What the container engine needs of the kernel beyond Swift's reach. Functions return at least 0, or the negative errno. Every
// descriptor made here closes on exec.

/// A sealed copy in memory of the executable at `path`: what runs inside containers is never the file on disk, so that nothing inside
/// can reach that file through /proc/PID/exe (CVE-2019-5736).
int sk_executable_copy(const char *path);
/// Starts `sidekick-init guard` from such a copy as a session leader with an empty environment: `connection` becomes its descriptor 3,
/// `listener` its 4. Returns its pid; the caller reaps it.
int sk_guard_spawn(int executable, int connection, int listener);
/// Waits for a child that is about to end; 0 also when it is no child of this process.
int sk_reap(int pid);

/// An anonymous file with these bytes.
int sk_memory_file(const void *bytes, size_t count);

/// A SOCK_SEQPACKET pair.
int sk_message_pair(int descriptors[2]);
/// A SOCK_SEQPACKET socket bound to `name` in `directory` (which must not hold that name), for a guard to listen on.
int sk_message_bind(int directory, const char *name);
int sk_message_connect(int directory, const char *name);
/// The pid of the process that listens at the other end.
int sk_message_peer(int socket);
/// Never blocks, never raises SIGPIPE; the descriptors stay the caller's.
int sk_message_send(int socket, const struct sk_message *message, const int *descriptors, int count);
/// 1 and a message; 0 at the peer's end; -EAGAIN when nothing came for `milliseconds` (0: look only; negative: for ever). At most one
/// descriptor comes with it (else -1 in `descriptor`), and is the caller's.
int sk_message_receive(int socket, struct sk_message *message, int *descriptor, int milliseconds);

/// Removes `name` in `directory` and everything below, following no symbolic link and crossing no mount. Missing is no error.
int sk_remove_tree(int directory, const char *name);

/// Tells ext4 that what lies in this directory's directories is unrelated, so that each begins in a part of the disk of its own: a part
/// in which many files came and went lately is slow to give another. Other file systems know no such thing, and nothing happens.
void sk_spread_directories(int directory);

/// Sets, or asks for, the size of a terminal.
int sk_terminal_resize(int terminal, uint16_t rows, uint16_t columns);
int sk_terminal_size(int terminal, uint16_t *rows, uint16_t *columns);

/// Waits until one of two descriptors is readable: bit 0 the first, bit 1 the second, 0 when `milliseconds` have passed.
int sk_wait_readable(int first, int second, int milliseconds);
