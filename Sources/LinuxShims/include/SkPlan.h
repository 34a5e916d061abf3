#pragma once
// What the engine and `sidekick-init` say to each other: the launch plan of one container (a flat file, mapped by its reader) and the
// messages on a guard's socket. Both sides are always built together, so layouts are the compiler's own for this machine; the version
// tells a guard left by an older build apart.
#include <stdint.h>

#include "SkBundle.h"

#define SK_PLAN_MAGIC 0x4c504b53u
#define SK_PLAN_VERSION 1u

// Bits of sk_plan.flags.
enum {
    SK_PLAN_INIT = 1,          // our own process is pid 1 and the program its child
    SK_PLAN_NO_NEW_PRIVS = 2,
    SK_PLAN_MAKE_DIRECTORY = 4, // make the working directory when it is missing
    SK_PLAN_IDMAP = 8,         // layers and writable layer are mapped by the container's user namespace
    SK_PLAN_TERMINAL = 16,     // the standard streams are a terminal of the container's own
    SK_PLAN_INPUT = 32,        // standard input is what attached clients type
    SK_PLAN_HOLD_AFTER_EXEC = 64, // the program is held after its exec, before its first instruction, where the kernel lets the guard
    SK_PLAN_LAST_FLAG = 64,
};

// Kinds of sk_step. Paths named `target` are inside the container's root and never leave it, whatever symbolic links say.
enum {
    SK_STEP_MOUNT = 1,     // new file system of type `source` with key/value `options` on `target`
    SK_STEP_BIND = 2,      // the host's `source` on `target`; SK_BIND_* in `flags`
    SK_STEP_DEVICE = 3,    // the host's device node `source`, which must be device `value`, on `target`
    SK_STEP_NODE = 4,      // a new character device `value` at `target`; `flags`: another type and mode, `attributes`: uid << 32 | gid
    SK_STEP_LINK = 5,      // a symbolic link at `target` saying `source`
    SK_STEP_MASK = 6,      // hide `target` if it exists
    SK_STEP_READ_ONLY = 7, // make the tree at `target` read-only if it exists
    SK_STEP_DIRECTORY = 8, // a directory at `target`
    SK_STEP_WRITE = 9,     // write `source` into `target` if it exists (sysctl)
    SK_STEP_CGROUPS = 10,  // wait until the engine has moved us into our cgroups, then a cgroup namespace of our own
    SK_STEP_ROOT_READ_ONLY = 11,
    SK_STEP_FILE = 12, // a file holding the text `source`, without a name of its own, mounted on `target`; after /dev is there
    SK_STEP_MOVE = 13, // the mount at `source` in the scaffold, with all below it, to `target`
    SK_STEP_SETTING = 14, // write `source` into the kernel setting `target`, a path below /proc/sys as the host names it; it must exist
    SK_STEP_ATTRIBUTES = 15, // on the mount at `target`: set `attributes`, clear `value`, then SK_CHANGE_* of `flags`
    SK_STEP_HOOKS = 16,      // every mount is made: hooks of the bundle run
    SK_STEP_CONSOLE = 17,    // a terminal of the container's devpts, its slave mounted on `target`
    SK_STEP_LAST = 17,
};

// Bits of sk_step.flags of SK_STEP_ATTRIBUTES. Propagation types are the kernel's MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE and MS_SHARED.
enum {
    SK_CHANGE_RECURSIVE = 1,        // attributes of the mounts below too
    SK_CHANGE_SPREAD_RECURSIVE = 2, // propagation of the mounts below too
    SK_CHANGE_PROPAGATION = 0x1e0000,
};

// Bits of sk_step.flags of SK_STEP_MOUNT.
enum {
    SK_MOUNT_COPY_UP = 1,   // starts with what the directory held
    SK_MOUNT_KEEP_MODE = 2, // its root gets the mode of the directory it covers
};

// Bits of sk_step.flags for binds.
enum {
    SK_BIND_RECURSIVE = 1,
    SK_BIND_IDMAP = 2, // map its ids by the container's user namespace where the file system can
    SK_BIND_SLAVE = 4, // mounts made below the source on the host show up
    SK_BIND_PEER = 8,  // and those made inside show up on the host
    SK_BIND_MAPPED = 16, // map its ids by the uid and gid maps in `options`, or fail
    SK_BIND_NO_FOLLOW = 32, // a symbolic link at the end of `source` is itself the source
    // A device node made on the host, since a user namespace may make none: `value` its number, `attributes` uid << 32 | gid of the host,
    // the upper half of `flags` its type and mode; `source` the host's own, taken where the host lets us make none either.
    SK_BIND_NODE = 64,
    SK_BIND_NO_LINKS = 128, // no symbolic link anywhere in `source`
};

struct sk_step {
    uint32_t kind;
    uint32_t flags;
    uint32_t source; // offset of a string
    uint32_t target; // offset of a string
    struct sk_list options; // strings, key after value; `count` is the number of strings
    uint64_t attributes;    // MOUNT_ATTR_* of the mount
    uint64_t value;         // device number as makedev gives it
};

struct sk_limit {
    uint32_t resource; // RLIMIT_*
    uint32_t unused;
    uint64_t soft;
    uint64_t hard;
};

struct sk_plan {
    uint32_t magic;
    uint32_t version;
    uint32_t size; // of the whole plan; its last byte is NUL
    uint32_t flags;
    // of the program
    uint32_t uid;
    uint32_t gid;
    uint32_t umask;
    int32_t oom_score; // oom_score_adj
    uint64_t bounding; // capability sets, bit n is capability n
    uint64_t permitted;
    uint64_t effective;
    uint64_t inheritable;
    uint64_t ambient;
    struct sk_list programs;    // candidates for exec, tried in order
    struct sk_list arguments;
    struct sk_list environment;
    struct sk_list groups;  // uint32_t
    struct sk_list limits;  // struct sk_limit
    struct sk_list seccomp; // struct sock_filter
    uint32_t directory;     // offset of the working directory's string
    uint32_t stdio_owner;   // host uid and gid that own the output pipes
    uint32_t stdio_group;
    // of the container
    uint32_t hostname;
    uint32_t upper; // host directories of the writable layer, below the state directory handed over with the plan
    uint32_t work;
    struct sk_list layers; // host paths, topmost first
    struct sk_list steps;  // struct sk_step
    uint64_t log_bytes;
    uint32_t log_files;
    uint32_t first_id; // host id of the container's root; 0 without user namespace
    struct sk_list bundle; // struct sk_bundle, one for a container of the OCI runtime, else none
};

// Kinds of sk_message: what the engine asks of a guard (below 100), what a guard tells.
enum {
    SK_ASK_STATE = 1,
    SK_ASK_CRADLE = 2,   // clone the namespaces' first process: `wide` clone flags, `text` uid map, NUL, gid map; descriptor: v2 cgroup
    SK_ASK_PLAN = 3,     // build the container; descriptors: plan, state directory, OOM counter file (last may be absent)
    SK_ASK_JOINED = 4,   // the first process is in its cgroups
    SK_ASK_START = 5,
    SK_ASK_SIGNAL = 6,   // `code` to the program
    SK_ASK_EXEC = 7,     // a further process named `cookie`; descriptors: plan, then standard input, output and error, or else
                         // a message socket on which SK_INNER_TERMINAL comes
    SK_ASK_EXEC_KILL = 8, // kill the process named `cookie`
    SK_ASK_QUIT = 9,     // kill everything, write no record, end
    SK_ASK_MARK = 10,    // keep `flags` for later engines; SK_TELL_STATE gives them back
    SK_ASK_SCAFFOLD = 11, // run the steps of the plan in the descriptor on a scratch root, for SK_STEP_MOVE to take from later
    SK_ASK_ATTACH = 20,  // tell the descriptor, a SOCK_SEQPACKET socket, the output from now on and take input from it
    SK_ASK_RESIZE = 21,  // the terminal has `wide` rows << 16 | columns
    SK_TELL_STATE = 101, // `state`, `pid` of the program, `first` of the namespaces' first process; descriptor while prepared: start event
    SK_TELL_CRADLE = 102,
    SK_TELL_FAILED = 103, // `code` errno, `text` operation and object
    SK_TELL_STARTED = 104,
    SK_TELL_EXITED = 105, // `code`, `signal`, `flags` SK_EXIT_*; `text` and errno `cookie` of what failed before the program ran
    SK_TELL_EXEC_EXITED = 106, // `cookie`, and as above
    // between the OCI runtime and `sidekick-init bundle`, which use SK_TELL_CRADLE, _STATE and _FAILED and SK_ASK_JOINED too
    SK_ASK_BUNDLE = 12,  // `flags` SK_WITH_*, `cookie` further descriptors from 3 on that stay open; descriptors: plan and those of `flags`
    SK_ASK_JOIN = 13,    // descriptors: the namespaces to join, in the order of sk_bundle.joined
    SK_ASK_HOOKS = 14,   // the runtime's own hooks have run; descriptor: the container's state for hooks inside
    SK_TELL_HOOKS = 107, // SK_STEP_HOOKS is reached
    // between the guard and the container's first process only
    SK_INNER_MAPPED = 201,
    SK_INNER_HELD = 202,
    SK_INNER_EXEC_FAILED = 203,
    SK_INNER_TERMINAL = 204, // descriptor: a process's own terminal, the master of it
    SK_INNER_SETTLED = 205,  // the program could exec now; the guard answers by the start event: SK_GO_*
};

// What the guard adds to the start event for a program that has settled.
enum {
    SK_GO_EXEC = 1, // at once: it will be stopped there
    SK_GO_HOLD = 2, // only at the start
};

enum {
    SK_STATE_IDLE = 0,
    SK_STATE_CRADLE = 1,
    SK_STATE_BUILDING = 2,
    SK_STATE_PREPARED = 3,
    SK_STATE_RUNNING = 4,
    SK_STATE_EXITED = 5,
};

enum {
    SK_EXIT_OUT_OF_MEMORY = 1,
    SK_EXIT_NEVER_RAN = 2,
};

// Bits of SK_ASK_CRADLE's `wide`: clone flags (include/uapi/linux/sched.h) as Swift sees them.
enum {
    SK_NEW_MOUNT = 0x00020000,
    SK_NEW_CGROUP = 0x02000000,
    SK_NEW_UTS = 0x04000000,
    SK_NEW_IPC = 0x08000000,
    SK_NEW_USER = 0x10000000,
    SK_NEW_PID = 0x20000000,
    SK_NEW_NET = 0x40000000,
};

#define SK_MESSAGE_TEXT 448
#define SK_MESSAGE_FDS 64

// One datagram on a guard's socket, and the whole exit record (kind SK_TELL_EXITED), which fits one disk sector.
struct sk_message {
    uint32_t kind;
    uint32_t version;
    uint32_t state;
    uint32_t flags;
    int32_t pid;
    int32_t first;
    int32_t code;
    int32_t signal;
    uint32_t cookie;
    uint32_t unused;
    uint64_t wide;
    uint64_t unused2;
    char text[SK_MESSAGE_TEXT];
};
