#pragma once
#include <stdint.h>

// Paths as a container sees them: every one is resolved as if the directory `root` were the root, so that no symbolic link leads out.

enum { longest_path = 4096 };

// A descriptor of `path`, opened with `flags`, or -1 with errno.
int open_inside(int root, const char *path, uint64_t flags);

// An O_PATH descriptor of the directory holding `path`'s last component, made if missing, with that component in `name`; -1 with errno.
int open_parent(int root, const char *path, char name[longest_path]);

// Moves a detached mount to `path`, which is made if it is missing. -1 with `failure` set.
int attach_inside(int root, int mount, const char *path);
