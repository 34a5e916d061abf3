#pragma once
#include "plan.h"

// Makes a terminal of the container's own /dev/pts, given to the program's user, and makes it the controlling one of the calling process,
// which becomes a session leader. -1 with `failure` set; else both ends are the caller's.
int terminal_open(const struct plan *plan, int *master, int *slave);

// Sets the size as SK_ASK_RESIZE carries it: rows << 16 | columns.
void terminal_resize(int terminal, uint64_t size);
