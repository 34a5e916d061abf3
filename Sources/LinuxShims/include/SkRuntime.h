#pragma once
// What the OCI runtime needs of the kernel beyond the container engine. Functions return at least 0, or the negative errno; descriptors
// made here close on exec.
#include <stddef.h>
#include <stdint.h>

/// Starts `sidekick-init bundle` from a copy that `sk_executable_copy` made, with this process's standard streams, the descriptors from 3
/// to `first_free` - 1 and the connection, nothing else. Returns its pid; the caller reaps it.
int sk_bundle_spawn(int executable, int connection, int first_free);

/// Runs a program with `input` as its standard input, `output` and `errors` as the other two (-1 for nothing) and no other descriptor, in the directory `directory` (may be NULL). Returns its pid; the caller reaps it.
int sk_hook_spawn(const char *path, char *const arguments[], char *const environment[], const char *directory, int input, int output,
                  int errors);

int sk_process_open(int pid);
int sk_process_signal(int process, int signal);
/// Becomes the parent of what is orphaned below.
int sk_become_subreaper(void);
/// Waits for a child; its wait status.
int sk_wait_child(int pid);

/// Passes the signals that this process gets on to `process` (a pidfd) until that has ended.
void sk_signals_forward(int process);

/// Connects to a stream socket at `path`, however long that is.
int sk_stream_connect(const char *path);
/// A connected pair of stream sockets.
int sk_stream_pair(int descriptors[2]);
/// The one descriptor that comes with the next bytes on a stream socket.
int sk_descriptor_receive(int socket);

/// Opens a FIFO without waiting for its other side; to write, -ENXIO when nobody has it open.
int sk_fifo_open(int directory, const char *name, int writing);

/// A rule of device access, in the order in which they are given; later ones win.
struct sk_device_rule {
  /// 'a' any, 'b' block, 'c' character.
  uint8_t type;
  uint8_t allow;
  /// Bits as in the kernel's BPF_DEVCG_ACC_*: 1 mknod, 2 read, 4 write.
  uint8_t access;
  uint8_t unused;
  /// UINT32_MAX for every number.
  uint32_t major;
  uint32_t minor;
};

/// Replaces the device filter of a cgroup v2 directory.
int sk_cgroup_filter_devices(int directory, const struct sk_device_rule *rules, size_t count);

/// Terminal of this process in raw mode; `before` holds what `sk_terminal_restore` needs.
struct sk_terminal {
  unsigned char before[64];
};
int sk_terminal_raw(int terminal, struct sk_terminal *saved);
void sk_terminal_restore(int terminal, const struct sk_terminal *saved);
/// Gives `to` the size of `from`.
int sk_terminal_copy_size(int from, int to);
/// Copies both ways between this process's streams and a terminal's master until `process` (a pidfd) has ended and the master is drained.
int sk_terminal_relay(int master, int input, int output, int process);
