#pragma once
#include "plan.h"

// Makes a scratch root and runs the plan's steps on it, ahead of knowing the container.
int root_scaffold(const struct plan *plan);

// Builds and enters the container's root: attaches `root`, runs the plan's steps in order (`binds` holds the detached mounts of the bind
// steps, in order), and makes it the root of this mount namespace, out of which nothing of the host's remains.
// `at` is called at SK_STEP_CGROUPS and returns when the engine has moved this process into its cgroups (0), or -1; and at SK_STEP_HOOKS.
// With `open_bind`, which gives the mount of the step at an index (the caller's) or -1 with `failure` set, there are no `binds`: each is
// copied when it is its turn, so that mounts are listed in the order in which they were made.
int root_build(
    const struct plan *plan, int root, const int *binds, int bind_count, int (*at)(uint32_t kind), int (*open_bind)(uint32_t step));
