#pragma once
// What a launch plan holds beyond the engine's own containers, for those of the OCI runtime: namespaces chosen one by one, hooks, and the
// rarer attributes of processes. Offsets are those of the plan it is part of.
#include <stdint.h>

// `count` elements starting `offset` bytes into the plan. Strings of a list lie back to back, each ended by NUL.
struct sk_list {
    uint32_t offset;
    uint32_t count;
};

// Bits of sk_bundle.flags.
enum {
    SK_BUNDLE_FURTHER = 1,        // a further process of a container that runs: no root to build
    SK_BUNDLE_NO_PIVOT = 2,       // move the root over the old one instead of pivot_root, for a host on initramfs
    SK_BUNDLE_NEW_KEYRING = 4,
    SK_BUNDLE_TERMINAL = 8,       // standard streams are a terminal, whose master goes to the console socket
    SK_BUNDLE_DENY_GROUPS = 16,   // user namespace made without privileges: setgroups stays denied
    SK_BUNDLE_BECOME_ROOT = 32,   // a user namespace is made or joined: build as its root
    SK_BUNDLE_SCHEDULER = 64,
    SK_BUNDLE_IO_PRIORITY = 128,
    SK_BUNDLE_PERSONALITY = 256,
    SK_BUNDLE_LAST_FLAG = 256,
};

// Bits of sk_message.flags of SK_ASK_BUNDLE: which descriptors follow the plan's, in this order.
enum {
    SK_WITH_HOLD = 1,    // read before the exec, which goes on with the first byte
    SK_WITH_STATUS = 2,  // told what failed after the hold
    SK_WITH_CONSOLE = 4, // connected socket for the terminal's master
};

enum {
    SK_HOOK_CREATE_CONTAINER = 1,
    SK_HOOK_START_CONTAINER = 2,
};

// A hook that runs inside the container.
struct sk_hook {
    uint32_t point;   // SK_HOOK_*
    int32_t timeout;  // seconds, 0 for none
    uint32_t path;    // offset of a string
    uint32_t unused;
    struct sk_list arguments;
    struct sk_list environment;
};

struct sk_bundle {
    uint32_t flags;
    uint32_t root;             // offset of the host path of the root file system
    uint32_t root_propagation; // MS_* of "/" in the end; 0 for private. SLAVE and SHARED begin as the host's mount is
    uint32_t domain_name;
    uint64_t new_namespaces;   // clone flags
    struct sk_list joined;     // uint32_t, clone flags of the namespaces whose descriptors come with SK_ASK_JOIN
    uint32_t user_map;         // text for uid_map and gid_map of the new user namespace
    uint32_t group_map;
    uint32_t time_offsets;     // text for timens_offsets of the new time namespace
    uint32_t exec_label;       // for the kernel's security module, to be written
    uint32_t exec_label_file;  // into this file
    uint32_t seccomp_flags;
    struct sk_list hooks;      // struct sk_hook
    uint64_t personality;
    uint32_t terminal_rows;
    uint32_t terminal_columns;
    // as struct sched_attr
    uint32_t scheduler_policy;
    int32_t scheduler_nice;
    uint64_t scheduler_flags;
    uint32_t scheduler_priority;
    int32_t io_priority;       // as ioprio_set takes it
    uint64_t scheduler_runtime;
    uint64_t scheduler_deadline;
    uint64_t scheduler_period;
};
