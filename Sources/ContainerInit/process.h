#pragma once
#include "plan.h"

// Standard streams of a process about to become the program.
struct streams {
    int input; // -1 for the container's /dev/null
    int output;
    int error;
};

// Everything between being a process of ours inside the container and the exec: session, working directory, streams, limits,
// capabilities, identity, no_new_privs, seccomp. Descriptors above 2 other than `keep` are closed or will be by the exec.
// -1 with `failure` set.
int process_settle(const struct plan *plan, struct streams streams, const int *keep, int keep_count);

// Whether there is a program to become, as far as can be told without trying. -1 with `failure` set when not.
int process_find(const struct plan *plan);

// Becomes the program; returns only on failure (-1 with `failure` set).
int process_exec(const struct plan *plan);
