#include "steps.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "console.h"
#include "copyup.h"
#include "inside.h"
#include "kernel.h"
#include "protect.h"
#include "report.h"

// What a new file system takes over from the directory it is to cover.
static int inherit(const struct sk_step *step, int root, int mount, const char *target) {
    int covered = step->flags ? open_inside(root, target, O_RDONLY | O_DIRECTORY) : -1;
    if (covered < 0) return 0;
    struct stat about;
    int done = 0;
    if (step->flags & SK_MOUNT_KEEP_MODE && fstat(covered, &about) == 0) done = fchmodat(mount, ".", about.st_mode & 07777, 0);
    if (done == 0 && step->flags & SK_MOUNT_COPY_UP) done = copy_up(covered, mount);
    if (done < 0) failed("copy into new file system at", target);
    close(covered);
    return done;
}

static int step_mount(const struct plan *plan, const struct sk_step *step, int root) {
    const char *type = plan_string(plan, step->source), *target = plan_string(plan, step->target);
    int made = fsopen(type, FSOPEN_CLOEXEC);
    if (made < 0) return failed("open file system", type);
    const char *key = plan_string(plan, step->options.offset);
    for (uint32_t i = 0; i < step->options.count; i += 2) {
        const char *value = key + strlen(key) + 1;
        int set = *value ? fsconfig(made, FSCONFIG_SET_STRING, key, value, 0) : fsconfig(made, FSCONFIG_SET_FLAG, key, NULL, 0);
        if (set < 0) {
            failed("set file system option", key);
            close(made);
            return -1;
        }
        key = value + strlen(value) + 1;
    }
    int mount = -1, done = -1;
    if (fsconfig(made, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) failed("create file system for", target);
    else if ((mount = fsmount(made, FSMOUNT_CLOEXEC, (unsigned int)step->attributes)) < 0) failed("mount file system for", target);
    else if (inherit(step, root, mount, target) == 0) done = attach_inside(root, mount, target);
    close(made);
    if (mount >= 0) close(mount);
    return done;
}

static int step_device(const struct plan *plan, const struct sk_step *step, int root) {
    const char *source = plan_string(plan, step->source);
    int mount = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (mount < 0) return failed("open device", source);
    struct stat about;
    int done = -1;
    if (fstat(mount, &about) < 0 || !(S_ISCHR(about.st_mode) || S_ISBLK(about.st_mode)) || about.st_rdev != step->value) {
        errno = ENODEV;
        failed("recognise device", source);
    } else done = attach_inside(root, mount, plan_string(plan, step->target));
    close(mount);
    return done;
}

static int is_node(int parent, const char *name, mode_t mode, uint64_t number) {
    struct stat about;
    int same = fstatat(parent, name, &about, AT_SYMLINK_NOFOLLOW) == 0 && (about.st_mode & S_IFMT) == (mode & S_IFMT) &&
               (S_ISFIFO(mode) || about.st_rdev == number);
    errno = EEXIST;
    return same;
}

// Makes what `kind` says at `target` below a parent that exists or is made.
static int step_make(const struct plan *plan, const struct sk_step *step, int root) {
    const char *target = plan_string(plan, step->target);
    char name[longest_path];
    int found = step->kind == SK_STEP_DIRECTORY ? open_inside(root, target, O_PATH | O_DIRECTORY) : -1;
    if (found >= 0) return close(found);
    int parent = open_parent(root, target, name);
    if (parent < 0) return failed("open parent of", target);
    int made = 0;
    if (step->kind == SK_STEP_LINK) made = symlinkat(plan_string(plan, step->source), parent, name);
    else if (step->kind == SK_STEP_NODE) {
        mode_t mode = step->flags ? step->flags : S_IFCHR | 0666;
        made = mknodat(parent, name, mode, step->value);
        if (made < 0 && errno == EEXIST && is_node(parent, name, mode, step->value)) made = 0;
        if (made == 0) made = fchownat(parent, name, (uid_t)(step->attributes >> 32), (gid_t)step->attributes, AT_SYMLINK_NOFOLLOW);
        if (made == 0) made = fchmodat(parent, name, mode & 07777, 0);
    } else made = mkdirat(parent, name, 0755);
    if (made < 0 && errno == EEXIST && step->kind != SK_STEP_NODE) made = 0;
    if (made < 0) failed("make", target);
    close(parent);
    return made;
}
static int step_attributes(const struct plan *plan, const struct sk_step *step, int root) {
    const char *path = plan_string(plan, step->target);
    int target = open_inside(root, path, O_PATH);
    if (target < 0) return failed("open", path);
    struct mount_attr change = {.attr_set = step->attributes, .attr_clr = step->value};
    struct mount_attr spread = {.propagation = step->flags & SK_CHANGE_PROPAGATION};
    unsigned int below = step->flags & SK_CHANGE_RECURSIVE ? AT_RECURSIVE : 0;
    unsigned int spread_below = step->flags & SK_CHANGE_SPREAD_RECURSIVE ? AT_RECURSIVE : 0;
    int done = 0;
    if (change.attr_set | change.attr_clr) done = mount_setattr(target, "", AT_EMPTY_PATH | below, &change, sizeof change);
    if (done == 0 && spread.propagation) done = mount_setattr(target, "", AT_EMPTY_PATH | spread_below, &spread, sizeof spread);
    if (done < 0) failed("change mount", path);
    close(target);
    return done;
}

// The terminal's name inside is its slave's, and /dev/console is the slave too.
static int step_console(const struct plan *plan, const struct sk_step *step, int root) {
    int multiplexer = open_inside(root, "dev/ptmx", O_RDWR | O_NOCTTY);
    if (multiplexer < 0) return failed("open", "/dev/ptmx");
    int slave = console_take(multiplexer);
    if (slave < 0) return -1;
    const char *target = plan_string(plan, step->target);
    int mount = open_tree(slave, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (mount < 0) return failed("open terminal for", target);
    int done = attach_inside(root, mount, target);
    close(mount);
    return done;
}

static int step_write(const struct plan *plan, const struct sk_step *step, int root) {
    const char *path = plan_string(plan, step->target), *text = plan_string(plan, step->source);
    int file = open_inside(root, path, O_WRONLY);
    if (file < 0) return errno == ENOENT ? 0 : failed("open", path);
    int done = write(file, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : failed("write", path);
    close(file);
    return done;
}

// In the container's own /dev, so that neither image nor host path shows through.
static int step_file(const struct plan *plan, const struct sk_step *step, int root) {
    const char *text = plan_string(plan, step->source), *target = plan_string(plan, step->target);
    int directory = open_inside(root, "dev", O_PATH | O_DIRECTORY);
    if (directory < 0) return failed("open", "/dev");
    // A nameless file cannot be mounted; the name is taken away again once it is.
    static const char name[] = ".made";
    int file = openat(directory, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (file < 0) {
        failed("make file for", target);
        close(directory);
        return -1;
    }
    int mount = -1, done = -1;
    if (write(file, text, strlen(text)) != (ssize_t)strlen(text) || fchmod(file, 0644) < 0) failed("write file for", target);
    else if ((mount = open_tree(file, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH)) < 0) failed("copy mount of", target);
    else done = attach_inside(root, mount, target);
    unlinkat(directory, name, 0);
    if (mount >= 0) close(mount);
    close(file);
    close(directory);
    return done;
}

// Through the host's /proc, which is still ours here and, unlike the container's, not read-only. Settings of namespaces are those of the
// writer's own; all others refuse a user namespace's root, and the engine asks for none of them.
static int step_setting(const struct plan *plan, const struct sk_step *step) {
    const char *path = plan_string(plan, step->target), *text = plan_string(plan, step->source);
    int file = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) return failed("open kernel setting", path);
    int done = write(file, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : failed("write kernel setting", path);
    close(file);
    return done;
}

// -1 until there is one.
static int scaffold = -1;

void step_move_from(int from) { scaffold = from; }

static int step_move(const struct plan *plan, const struct sk_step *step, int root) {
    const char *source = plan_string(plan, step->source);
    int mount = open_inside(scaffold, source, O_PATH);
    if (mount < 0) return failed("open in scaffold", source);
    int done = attach_inside(root, mount, plan_string(plan, step->target));
    close(mount);
    return done;
}

int step_run(const struct plan *plan, const struct sk_step *step, int root, int bind, int (*at)(uint32_t kind)) {
    switch (step->kind) {
        case SK_STEP_MOUNT: return step_mount(plan, step, root);
        case SK_STEP_BIND: return attach_inside(root, bind, plan_string(plan, step->target));
        case SK_STEP_DEVICE: return step_device(plan, step, root);
        case SK_STEP_NODE:
        case SK_STEP_LINK:
        case SK_STEP_DIRECTORY: return step_make(plan, step, root);
        case SK_STEP_MASK:
        case SK_STEP_READ_ONLY: return step_protect(plan, step, root);
        case SK_STEP_WRITE: return step_write(plan, step, root);
        case SK_STEP_SETTING: return step_setting(plan, step);
        case SK_STEP_MOVE: return step_move(plan, step, root);
        case SK_STEP_FILE: return step_file(plan, step, root);
        case SK_STEP_ATTRIBUTES: return step_attributes(plan, step, root);
        case SK_STEP_CONSOLE: return step_console(plan, step, root);
        case SK_STEP_HOOKS: return at ? at(step->kind) : 0;
        case SK_STEP_CGROUPS:
            if (!at || at(step->kind) < 0) return -1;
            return unshare(CLONE_NEWCGROUP) < 0 ? failed("unshare cgroup namespace", NULL) : 0;
        case SK_STEP_ROOT_READ_ONLY: {
            struct mount_attr change = {.attr_set = MOUNT_ATTR_RDONLY};
            int done = mount_setattr(root, "", AT_EMPTY_PATH, &change, sizeof change);
            return done < 0 ? failed("make read-only", "/") : 0;
        }
    }
    errno = EINVAL;
    return failed("run step of launch plan", NULL);
}
