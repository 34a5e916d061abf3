#include "layers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "report.h"

enum { most_layers = 512 };

// A detached copy of the mount at `path`, its ids mapped by `users` unless that is -1.
static int clone_mount(int directory, const char *path, unsigned int flags, uint64_t attributes, int users) {
    int mount = open_tree(directory, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);
    if (mount < 0) return -1;
    struct mount_attr change = {.attr_set = attributes, .propagation = MS_PRIVATE};
    if (users >= 0) {
        change.attr_set |= MOUNT_ATTR_IDMAP;
        change.userns_fd = (uint64_t)users;
    }
    if (mount_setattr(mount, "", AT_EMPTY_PATH | (flags & AT_RECURSIVE), &change, sizeof change) < 0) {
        int error = errno;
        close(mount);
        errno = error;
        return -1;
    }
    return mount;
}

static int set_layer(int overlay, const char *key, int mount) {
    if (fsconfig(overlay, FSCONFIG_SET_FD, key, NULL, mount) == 0) return 0;
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", mount);
    return fsconfig(overlay, FSCONFIG_SET_STRING, key, path, 0);
}

// What the overlay is made from must stay mounted until it is made: the descriptors to close after that.
struct held {
    int count;
    int mounts[most_layers + 1];
};

static void release(struct held *held) {
    for (int i = 0; i < held->count; i++) close(held->mounts[i]);
}

static int add_layers(const struct plan *plan, int overlay, int users, struct held *held) {
    const char *path = plan_string(plan, plan->head->layers.offset);
    for (uint32_t i = 0; i < plan->head->layers.count; i++, path += strlen(path) + 1) {
        int layer = clone_mount(AT_FDCWD, path, 0, 0, users);
        if (layer < 0) return failed("open layer", path);
        held->mounts[held->count++] = layer;
        if (set_layer(overlay, "lowerdir+", layer) < 0) return failed("stack layer", path);
    }
    return 0;
}

// Upper and work directory must lie on one mount: both are reached through one copy of the state directory's.
static int add_writable(const struct plan *plan, int overlay, int state, int users, struct held *held) {
    int mount = clone_mount(state, "", AT_EMPTY_PATH, 0, users);
    if (mount < 0) return failed("open writable layer", NULL);
    held->mounts[held->count++] = mount;
    int upper = openat(mount, plan_string(plan, plan->head->upper), O_PATH | O_DIRECTORY | O_CLOEXEC);
    int work = openat(mount, plan_string(plan, plan->head->work), O_PATH | O_DIRECTORY | O_CLOEXEC);
    int done = 0;
    if (upper < 0 || work < 0) done = failed("open writable layer", NULL);
    else if (set_layer(overlay, "upperdir", upper) < 0 || set_layer(overlay, "workdir", work) < 0)
        done = failed("stack writable layer", NULL);
    close(upper);
    close(work);
    return done;
}

// The overlay does its own work as whoever made it, which must be an id that the mapped layers know: the container's root. Losing the
// file capabilities with the id is not wanted.
static int create(int overlay, uint32_t owner) {
    if (owner) {
        prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0);
        setfsgid(owner);
        setfsuid(owner);
    }
    int done = fsconfig(overlay, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
    int error = errno;
    if (owner) {
        setfsuid(0);
        setfsgid(0);
        prctl(PR_SET_SECUREBITS, 0, 0, 0, 0);
    }
    errno = error;
    return done;
}

int layers_mount_root(const struct plan *plan, int state, int users) {
    if (plan->head->layers.count > most_layers) {
        errno = E2BIG;
        return failed("stack layers", NULL);
    }
    int overlay = fsopen("overlay", FSOPEN_CLOEXEC);
    if (overlay < 0) return failed("open file system", "overlay");
    struct held held = {.count = 0};
    int mount = -1;
    if (add_layers(plan, overlay, users, &held) == 0 && add_writable(plan, overlay, state, users, &held) == 0) {
        fsconfig(overlay, FSCONFIG_SET_STRING, "source", "overlay", 0);
        // Nothing of a container's own layer is wanted after a crash of the host, so its fsync need not wait for the disk.
        if (fsconfig(overlay, FSCONFIG_SET_FLAG, "volatile", NULL, 0) < 0)
            failed("configure root file system", "volatile");
        else if (create(overlay, users >= 0 ? plan->head->first_id : 0) < 0)
            failed("create root file system", NULL);
        else if ((mount = fsmount(overlay, FSMOUNT_CLOEXEC, 0)) < 0)
            failed("mount root file system", NULL);
    }
    release(&held);
    close(overlay);
    return mount;
}

int layers_mount_bind(const struct plan *plan, const struct sk_step *step, int users) {
    const char *source = plan_string(plan, step->source);
    unsigned int flags = step->flags & SK_BIND_RECURSIVE ? AT_RECURSIVE : 0;
    int mount = -1;
    if (step->flags & SK_BIND_IDMAP && users >= 0) mount = clone_mount(AT_FDCWD, source, flags, step->attributes, users);
    if (mount < 0) mount = clone_mount(AT_FDCWD, source, flags, step->attributes, -1);
    return mount < 0 ? failed("open mount source", source) : mount;
}
