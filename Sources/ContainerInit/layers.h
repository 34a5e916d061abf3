#pragma once
#include "plan.h"

// Made by the guard with the host's privileges and handed to the container as detached mounts, so that no host path is ever seen inside.
// `state` is the container's state directory, `users` a user namespace to map ids by (-1 for none).
// Returns the root file system's mount, or -1 with `failure` set. `layers_release` then lets go of what it was made from.
int layers_mount_root(const struct plan *plan, int state, int users);
void layers_release(void);

// The detached mount of one SK_STEP_BIND, its ids mapped by `users` if it wants that, or -1 with `failure` set.
int layers_mount_bind(const struct plan *plan, const struct sk_step *step, int users);

// A detached copy of the host's tree at `path`; `spread` is its propagation as MS_PRIVATE, MS_SLAVE, or 0 to stay a peer.
int layers_clone_root(const char *path, uint64_t spread);
