#include "layers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel.h"
#include "report.h"
#include "wire.h"

enum { most_layers = 512 };

// A detached copy of the mount at `path`, its ids mapped by `users` unless that is -1.
static int clone_mount(
    int directory, const char *path, unsigned int flags, uint64_t attributes, uint64_t propagation, int users) {
    int mount = open_tree(directory, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);
    if (mount < 0) return -1;
    struct mount_attr change = {.attr_set = attributes, .propagation = propagation};
    if (users >= 0) {
        change.attr_set |= MOUNT_ATTR_IDMAP;
        change.userns_fd = (uint64_t)users;
    }
    int unchanged = !change.attr_set && !change.propagation;
    if (!unchanged && mount_setattr(mount, "", AT_EMPTY_PATH | (flags & AT_RECURSIVE), &change, sizeof change) < 0) {
        int error = errno;
        close(mount);
        errno = error;
        return -1;
    }
    return mount;
}

// What the overlay is made from must stay mounted until it is made. Closed when nobody waits any more, since the end of each copy of a
// mount makes the kernel wait for a grace period.
static struct {
    int count;
    int mounts[most_layers + 1];
} held;

void layers_release(void) {
    for (int i = 0; i < held.count; i++) close(held.mounts[i]);
    held.count = 0;
}

static int add_layers(const struct plan *plan, int overlay, int users) {
    const char *path = plan_string(plan, plan->head->layers.offset);
    for (uint32_t i = 0; i < plan->head->layers.count; i++, path += strlen(path) + 1) {
        int layer = clone_mount(AT_FDCWD, path, 0, 0, MS_PRIVATE, users);
        if (layer < 0) return failed("open layer", path);
        held.mounts[held.count++] = layer;
        if (fsconfig(overlay, FSCONFIG_SET_FD, "lowerdir+", NULL, layer) < 0) return failed("stack layer", path);
    }
    return 0;
}

// Upper and work directory must lie on one mount: both are reached through one copy of the state directory's.
static int add_writable(const struct plan *plan, int overlay, int state, int users) {
    int mount = clone_mount(state, "", AT_EMPTY_PATH, 0, MS_PRIVATE, users);
    if (mount < 0) return failed("open writable layer", NULL);
    held.mounts[held.count++] = mount;
    int upper = openat(mount, plan_string(plan, plan->head->upper), O_PATH | O_DIRECTORY | O_CLOEXEC);
    int work = openat(mount, plan_string(plan, plan->head->work), O_PATH | O_DIRECTORY | O_CLOEXEC);
    int done = 0;
    if (upper < 0 || work < 0) done = failed("open writable layer", NULL);
    else if (fsconfig(overlay, FSCONFIG_SET_FD, "upperdir", NULL, upper) < 0 ||
             fsconfig(overlay, FSCONFIG_SET_FD, "workdir", NULL, work) < 0)
        done = failed("stack writable layer", NULL);
    close(upper);
    close(work);
    return done;
}

// The overlay does its own work as whoever made it, which must be an id that the mapped layers know: the container's root. Losing the
// file capabilities with the id is not wanted.
static void become(uint32_t owner) {
    if (owner) prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0);
    setfsgid(owner);
    setfsuid(owner);
    if (!owner) prctl(PR_SET_SECUREBITS, 0, 0, 0, 0);
}

static int create(int overlay, uint32_t owner) {
    become(owner);
    int done = fsconfig(overlay, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
    int error = errno;
    become(0);
    errno = error;
    return done;
}

// 1 and the mount, 0 when this kernel takes no layers by descriptor, -1 with `failure` set.
static int mount_by_descriptors(const struct plan *plan, int state, int users, int *mount) {
    int overlay = fsopen("overlay", FSOPEN_CLOEXEC);
    if (overlay < 0) return failed("open file system", "overlay");
    int done = -1;
    if (add_layers(plan, overlay, users) < 0) done = held.count == 1 && (failure.code == EINVAL || failure.code == EOPNOTSUPP) ? 0 : -1;
    else if (add_writable(plan, overlay, state, users) == 0) {
        fsconfig(overlay, FSCONFIG_SET_STRING, "source", "overlay", 0);
        // Nothing of a container's own layer is wanted after a crash of the host, so its fsync need not wait for the disk.
        if (fsconfig(overlay, FSCONFIG_SET_FLAG, "volatile", NULL, 0) < 0) failed("configure root file system", "volatile");
        else if (create(overlay, plan->head->first_id) < 0) failed("create root file system", NULL);
        else if ((*mount = fsmount(overlay, FSMOUNT_CLOEXEC, 0)) < 0) failed("mount root file system", NULL);
        else done = 1;
    }
    close(overlay);
    return done;
}

// Puts a detached mount at `name` below the working directory.
static int place(int mount, const char *name) {
    if (mkdir(name, 0755) < 0) return -1;
    int moved = move_mount(mount, "", AT_FDCWD, name, MOVE_MOUNT_F_EMPTY_PATH);
    close(mount);
    return moved;
}

// In a mount namespace of its own: layers get short names on a scratch file system, so that the overlay, which keeps the names it was
// given, shows nothing of the host either.
static int mount_by_names(const struct plan *plan, int state, int users) {
    static char options[8192];
    int writable = clone_mount(state, "", AT_EMPTY_PATH, 0, MS_PRIVATE, users);
    if (writable < 0) return failed("open writable layer", NULL);
    const char *path = plan_string(plan, plan->head->layers.offset);
    int layers[most_layers];
    for (uint32_t i = 0; i < plan->head->layers.count; i++, path += strlen(path) + 1)
        if ((layers[i] = clone_mount(AT_FDCWD, path, 0, 0, MS_PRIVATE, users)) < 0) return failed("open layer", path);
    // Mounts are copied before: those of the namespace we leave cannot be any more.
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return failed("leave mount namespace", NULL);
    int type = fsopen("tmpfs", FSOPEN_CLOEXEC), scratch = -1;
    if (type >= 0 && fsconfig(type, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0) scratch = fsmount(type, FSMOUNT_CLOEXEC, 0);
    if (scratch < 0 || move_mount(scratch, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 || fchdir(scratch) < 0)
        return failed("mount scratch file system", NULL);
    append_text(options, sizeof options, "lowerdir=");
    for (uint32_t i = 0; i < plan->head->layers.count; i++) {
        char name[16];
        snprintf(name, sizeof name, "%u", i);
        if (place(layers[i], name) < 0) return failed("place layer", name);
        if (i > 0) append_text(options, sizeof options, ":");
        append_text(options, sizeof options, name);
    }
    if (place(writable, "w") < 0 || mkdir("root", 0755) < 0) return failed("place writable layer", NULL);
    append_text(options, sizeof options, ",upperdir=w/");
    append_text(options, sizeof options, plan_string(plan, plan->head->upper));
    append_text(options, sizeof options, ",workdir=w/");
    append_text(options, sizeof options, plan_string(plan, plan->head->work));
    append_text(options, sizeof options, ",volatile");
    become(plan->head->first_id);
    int made = mount("overlay", "root", "overlay", 0, options);
    int error = errno;
    become(0);
    errno = error;
    if (made < 0) return failed("create root file system", NULL);
    int root = open_tree(AT_FDCWD, "root", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    return root < 0 ? failed("mount root file system", NULL) : root;
}

// A process makes it and hands it over; its mount namespace ends with it.
static int mount_in_child(const struct plan *plan, int state, int users) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return failed("make socket", NULL);
    pid_t child = fork();
    if (child < 0) return failed("fork", NULL);
    if (child == 0) {
        struct sk_message done = {.kind = SK_TELL_STATE, .version = SK_PLAN_VERSION};
        int root = mount_by_names(plan, state, users);
        wire_send(pair[1], root < 0 ? &failure : &done, &root, root < 0 ? 0 : 1);
        _exit(0);
    }
    close(pair[1]);
    struct sk_message told;
    int fds[SK_MESSAGE_FDS], count;
    int got = wire_receive(pair[0], &told, fds, &count, NULL, 1);
    close(pair[0]);
    waitpid(child, NULL, 0);
    if (got == 1 && count == 1) return fds[0];
    errno = ECHILD;
    failed("create root file system", NULL);
    if (got == 1 && told.kind == SK_TELL_FAILED) failure = told;
    return -1;
}

int layers_mount_root(const struct plan *plan, int state, int users) {
    if (plan->head->layers.count == 0 || plan->head->layers.count > most_layers) {
        errno = EINVAL;
        return failed("stack layers", NULL);
    }
    int mount = -1;
    int done = mount_by_descriptors(plan, state, users, &mount);
    if (done != 0) return mount;
    memset(&failure, 0, sizeof failure);
    return mount_in_child(plan, state, users);
}

// A file system of the host's for device nodes: a user namespace's own would not let them be opened.
static int open_nodes(void) {
    static int nodes = -1;
    if (nodes >= 0) return nodes;
    int type = fsopen("tmpfs", FSOPEN_CLOEXEC);
    if (type >= 0 && fsconfig(type, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        nodes = fsmount(type, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    if (type >= 0) close(type);
    return nodes;
}

static int mount_node(const struct plan *plan, const struct sk_step *step) {
    static unsigned int made;
    const char *source = plan_string(plan, step->source);
    int nodes = open_nodes(), mount;
    if (nodes < 0) return failed("mount file system for device", source);
    char name[16];
    snprintf(name, sizeof name, "%u", made++);
    mode_t mode = step->flags >> 16;
    if (mknodat(nodes, name, mode, step->value) < 0) {
        if (errno != EPERM) return failed("make device", source);
        mount = clone_mount(AT_FDCWD, source, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, MS_PRIVATE, -1);
        return mount < 0 ? failed("open device", source) : mount;
    }
    if (fchownat(nodes, name, (uid_t)(step->attributes >> 32), (gid_t)step->attributes, AT_SYMLINK_NOFOLLOW) < 0 ||
        fchmodat(nodes, name, mode & 07777, 0) < 0)
        return failed("set owner and mode of device", source);
    mount = clone_mount(nodes, name, 0, 0, MS_PRIVATE, -1);
    // Before Linux 6.15 nothing of a file system that is mounted nowhere can be mounted elsewhere: the host's own node it is.
    if (mount < 0 && errno == EINVAL) mount = clone_mount(AT_FDCWD, source, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, MS_PRIVATE, -1);
    return mount < 0 ? failed("open device", source) : mount;
}

// Found once and by one lookup: what happens to the path after it, or a link put into it before, leads nowhere else.
static int mount_without_links(const struct plan *plan, const struct sk_step *step, int users) {
    const char *source = plan_string(plan, step->source);
    int found = kernel_openat2(AT_FDCWD, source, O_PATH | O_CLOEXEC, 0, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    if (found < 0) return failed(errno == ELOOP ? "open mount source, which leads through a symbolic link," : "open mount source", source);
    unsigned int flags = AT_EMPTY_PATH | (step->flags & SK_BIND_RECURSIVE ? AT_RECURSIVE : 0);
    int mount = -1;
    if (step->flags & SK_BIND_IDMAP && users >= 0) mount = clone_mount(found, "", flags, step->attributes, MS_PRIVATE, users);
    if (mount < 0) mount = clone_mount(found, "", flags, step->attributes, MS_PRIVATE, -1);
    if (mount < 0) failed("open mount source", source);
    close(found);
    return mount;
}

int layers_mount_bind(const struct plan *plan, const struct sk_step *step, int users) {
    if (step->flags & SK_BIND_NODE) return mount_node(plan, step);
    if (step->flags & SK_BIND_NO_LINKS) return mount_without_links(plan, step, users);
    const char *source = plan_string(plan, step->source);
    unsigned int flags = step->flags & SK_BIND_RECURSIVE ? AT_RECURSIVE : 0;
    if (step->flags & SK_BIND_NO_FOLLOW) flags |= AT_SYMLINK_NOFOLLOW;
    uint64_t spread = step->flags & SK_BIND_PEER ? 0 : step->flags & SK_BIND_SLAVE ? MS_SLAVE : MS_PRIVATE;
    int mount = -1;
    if (step->flags & (SK_BIND_IDMAP | SK_BIND_MAPPED) && users >= 0)
        mount = clone_mount(AT_FDCWD, source, flags, step->attributes, spread, users);
    if (mount < 0 && !(step->flags & SK_BIND_MAPPED)) mount = clone_mount(AT_FDCWD, source, flags, step->attributes, spread, -1);
    return mount < 0 ? failed("open mount source", source) : mount;
}

int layers_clone_root(const char *path, uint64_t spread) {
    int mount = clone_mount(AT_FDCWD, path, AT_RECURSIVE, 0, spread, -1);
    return mount < 0 ? failed("open root file system", path) : mount;
}
