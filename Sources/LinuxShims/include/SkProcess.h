#pragma once

#include <stdint.h>

/// Asks the kernel to send this process `signal` when the thread that started it ends. 0, or -1 with errno.
int sk_die_with_parent(int signal);

/// Makes a pipe whose ends close on exec. 0, or -1 with errno.
int sk_pipe(int descriptors[2]);

/// Nanoseconds since 1970.
int64_t sk_wall_nanoseconds(void);
