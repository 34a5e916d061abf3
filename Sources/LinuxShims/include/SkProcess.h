#pragma once

#include <stdint.h>

/// Asks the kernel to send this process `signal` when the thread that started it ends. 0, or -1 with errno.
int sk_die_with_parent(int signal);

/// Makes a pipe whose ends close on exec. 0, or -1 with errno.
int sk_pipe(int descriptors[2]);

/// Nanoseconds since 1970.
int64_t sk_wall_nanoseconds(void);

/// Gives the pages of the program's and its libraries' machine code back: what is still needed is mapped anew when it runs, without
/// reading it from disk. After start-up most of what was mapped is not.
void sk_release_code(void);

/// Keeps SIGPIPE from the calling thread: writing to a pipe without a reader fails with EPIPE instead.
void sk_block_sigpipe(void);

/// Raises this process's limit of open descriptors as far as it may go; returns the limit now in force, or -1 with errno.
int64_t sk_raise_descriptor_limit(void);
