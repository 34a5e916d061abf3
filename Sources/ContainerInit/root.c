#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "console.h"
#include "copyup.h"
#include "kernel.h"
#include "report.h"

enum { longest_path = 4096, deepest_path = 64 };
static const dev_t null_device = 1 << 8 | 3;

// Where a container's symbolic links cannot lead out: every path is resolved as if `root` were the root.
static int open_inside(int root, const char *path, uint64_t flags) {
    while (*path == '/') path++;
    return kernel_openat2(root, *path ? path : ".", flags | O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

// A link that leads nowhere yet: where it leads, as a path inside. `parent` is the path of the directory it lies in.
static int follow(int directory, const char *parent, const char *name, char to[longest_path]) {
    char link[longest_path];
    ssize_t length = readlinkat(directory, name, link, sizeof link - 1);
    if (length < 0) return -1;
    link[length] = 0;
    to[0] = 0;
    if (link[0] != '/') {
        append_text(to, longest_path, parent);
        append_text(to, longest_path, "/");
    }
    append_text(to, longest_path, link);
    return 0;
}

static int split(const char *path, char parent[longest_path], char name[longest_path]) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;
    if (length >= longest_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(parent, path, length);
    parent[length] = 0;
    char *slash = strrchr(parent, '/');
    strcpy(name, slash ? slash + 1 : parent);
    if (slash) *slash = 0;
    else parent[0] = 0;
    return 0;
}

// An O_PATH descriptor of `path`, which is made (a directory, or an empty file), its parents too, when it is missing. `depth` bounds both
// components and links.
static int open_or_make(int root, const char *path, int directory, int depth) {
    int found = open_inside(root, path, O_PATH);
    if (found >= 0 || errno != ENOENT) return found;
    if (depth == 0) {
        errno = ELOOP;
        return -1;
    }
    char parent[longest_path], name[longest_path], to[longest_path];
    if (split(path, parent, name) < 0) return -1;
    int above = open_or_make(root, parent, 1, depth - 1);
    if (above < 0) return -1;
    int made;
    if (directory) made = mkdirat(above, name, 0755);
    else if ((made = openat(above, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644)) >= 0) close(made);
    if (made < 0 && errno == EEXIST && follow(above, parent, name, to) == 0) found = open_or_make(root, to, directory, depth - 1);
    else if (made >= 0) found = open_inside(root, path, O_PATH);
    int error = errno;
    close(above);
    errno = error;
    return found;
}

// The directory holding `path`'s last component, made if missing, with that component in `name`.
static int open_parent(int root, const char *path, char name[longest_path]) {
    char parent[longest_path];
    if (split(path, parent, name) < 0) return -1;
    return open_or_make(root, parent, 1, deepest_path);
}

static int open_target(int root, const char *path, int directory) { return open_or_make(root, path, directory, deepest_path); }

static int attach(int root, int mount, const char *path) {
    struct stat about;
    if (fstat(mount, &about) < 0) return failed("inspect mount for", path);
    int target = open_target(root, path, S_ISDIR(about.st_mode));
    if (target < 0) return failed("make mount point", path);
    int moved = move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
    if (moved < 0) failed("mount on", path);
    close(target);
    return moved;
}

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
    else if (inherit(step, root, mount, target) == 0) done = attach(root, mount, target);
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
    } else done = attach(root, mount, plan_string(plan, step->target));
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

// Files are hidden behind the container's null device, which is looked at first: an image may have put something else there
// (CVE-2025-31133).
static int mask_file(int root, int target) {
    int null = open_inside(root, "dev/null", O_PATH | O_NOFOLLOW);
    // A root without one: the host's, which is still in reach.
    if (null < 0) null = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat about;
    if (null < 0) return -1;
    if (fstat(null, &about) < 0 || !S_ISCHR(about.st_mode) || about.st_rdev != null_device) {
        close(null);
        errno = ENODEV;
        return -1;
    }
    int cover = open_tree(null, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    close(null);
    if (cover < 0) return -1;
    int moved = move_mount(cover, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
    close(cover);
    return moved;
}

static int mask_directory(int target) {
    int made = fsopen("tmpfs", FSOPEN_CLOEXEC);
    if (made < 0) return -1;
    fsconfig(made, FSCONFIG_SET_STRING, "nr_inodes", "1", 0);
    int cover = -1, moved = -1;
    if (fsconfig(made, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        cover = fsmount(made, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (cover >= 0) moved = move_mount(cover, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
    if (cover >= 0) close(cover);
    close(made);
    return moved;
}

static int is_mount(int target) {
    struct statx about;
    return statx(target, "", AT_EMPTY_PATH, STATX_INO, &about) == 0 && about.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

// A mount in place, anything else by a read-only mount of it on itself.
static int make_read_only(int target) {
    struct mount_attr change = {.attr_set = MOUNT_ATTR_RDONLY};
    if (is_mount(target)) return mount_setattr(target, "", AT_EMPTY_PATH | AT_RECURSIVE, &change, sizeof change);
    int copy = open_tree(target, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
    if (copy < 0) return -1;
    int done = mount_setattr(copy, "", AT_EMPTY_PATH | AT_RECURSIVE, &change, sizeof change);
    if (done == 0) done = move_mount(copy, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
    close(copy);
    return done;
}

static int step_protect(const struct plan *plan, const struct sk_step *step, int root) {
    const char *path = plan_string(plan, step->target);
    int target = open_inside(root, path, O_PATH);
    if (target < 0) return errno == ENOENT || errno == EACCES ? 0 : failed("open", path);
    struct stat about;
    int done = fstat(target, &about);
    if (done == 0 && step->kind == SK_STEP_READ_ONLY) done = make_read_only(target);
    else if (done == 0) done = S_ISDIR(about.st_mode) ? mask_directory(target) : mask_file(root, target);
    if (done < 0) failed(step->kind == SK_STEP_MASK ? "mask" : "make read-only", path);
    close(target);
    return done;
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
    int done = attach(root, mount, target);
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
    else done = attach(root, mount, target);
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

static int step_move(const struct plan *plan, const struct sk_step *step, int root) {
    const char *source = plan_string(plan, step->source);
    int mount = open_inside(scaffold, source, O_PATH);
    if (mount < 0) return failed("open in scaffold", source);
    int done = attach(root, mount, plan_string(plan, step->target));
    close(mount);
    return done;
}

static int run_step(const struct plan *plan, const struct sk_step *step, int root, int bind, int (*at)(uint32_t kind)) {
    switch (step->kind) {
        case SK_STEP_MOUNT: return step_mount(plan, step, root);
        case SK_STEP_BIND: return attach(root, bind, plan_string(plan, step->target));
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

int root_scaffold(const struct plan *plan) {
    int made = fsopen("tmpfs", FSOPEN_CLOEXEC);
    if (made < 0) return failed("open file system", "tmpfs");
    if (fsconfig(made, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 || (scaffold = fsmount(made, FSMOUNT_CLOEXEC, 0)) < 0 ||
        move_mount(scaffold, "", AT_FDCWD, "/sys", MOVE_MOUNT_F_EMPTY_PATH) < 0) {
        failed("mount scaffold", NULL);
        close(made);
        return -1;
    }
    close(made);
    const struct sk_step *steps = plan_list(plan, plan->head->steps);
    for (uint32_t i = 0; i < plan->head->steps.count; i++) {
        errno = EINVAL;
        if (steps[i].kind == SK_STEP_BIND) return failed("bind in scaffold", plan_string(plan, steps[i].target));
        if (run_step(plan, &steps[i], scaffold, -1, NULL) < 0) return -1;
    }
    return 0;
}

// Whether nothing lies on our root: what does would be reached as "/..".
static int is_uncovered(int root) {
    struct statx ours, above;
    if (statx(root, "", AT_EMPTY_PATH, STATX_MNT_ID | STATX_INO, &ours) < 0) return 0;
    if (statx(AT_FDCWD, "/..", AT_NO_AUTOMOUNT, STATX_MNT_ID | STATX_INO, &above) < 0) return 0;
    errno = EXDEV;
    return ours.stx_mask & STATX_MNT_ID && ours.stx_mnt_id == above.stx_mnt_id && ours.stx_ino == above.stx_ino;
}

// A file system mounted on the root itself is the root of what follows.
static int covered(const struct plan *plan, const struct sk_step *step, int root) {
    const struct sk_bundle *bundle = plan_bundle(plan);
    if (!bundle || (step->kind != SK_STEP_MOUNT && step->kind != SK_STEP_BIND)) return root;
    if (strcmp(plan_string(plan, step->target), "/") != 0) return root;
    // Looked up by name from outside, since a lookup that begins at a root does not see what lies on it.
    int on_top = open(plan_string(plan, bundle->root), O_PATH | O_DIRECTORY | O_CLOEXEC);
    return on_top < 0 ? failed("open root file system", NULL) : on_top;
}

// A bundle's root lies where the host has it, for hooks that enter the mount namespace and mount below it; or, where the user namespace's
// root may not go there, as everybody else's on the old root.
static int place(const struct plan *plan, int root) {
    const struct sk_bundle *bundle = plan_bundle(plan);
    if (bundle) {
        const char *path = plan_string(plan, bundle->root);
        if (move_mount(root, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) == 0) return 0;
        if (errno != EACCES || !(bundle->new_namespaces & CLONE_NEWNS)) return failed("attach root file system", path);
    }
    return move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 ? failed("attach root file system", NULL) : 0;
}

static int pivot(int root) {
    if (fchdir(root) < 0) return failed("enter root file system", NULL);
    if (kernel_pivot_root(".", ".") < 0) return failed("pivot root", NULL);
    // On our root now lies the host's, and on its /sys the scaffold, which goes with it: each detachment waits for a grace period.
    if (umount2(".", MNT_DETACH) < 0) return failed("detach host's root", NULL);
    if (chdir("/") < 0) return failed("enter", "/");
    return is_uncovered(root) ? 0 : failed("leave host's root", NULL);
}

// Where the mount namespace is another's, whose root must stay, or the host's root cannot be pivoted away from.
static int change_root(int root, int move) {
    if (fchdir(root) < 0) return failed("enter root file system", NULL);
    if (move && mount(".", "/", NULL, MS_MOVE, NULL) < 0) return failed("move root file system", NULL);
    if (chroot(".") < 0 || chdir("/") < 0) return failed("change root", NULL);
    return 0;
}

int root_build(
    const struct plan *plan, int root, const int *binds, int bind_count, int (*at)(uint32_t kind), int (*open_bind)(uint32_t step)) {
    if (place(plan, root) < 0) return -1;
    const struct sk_step *steps = plan_list(plan, plan->head->steps);
    int next = 0;
    for (uint32_t i = 0; i < plan->head->steps.count; i++) {
        int bind = -1;
        if (steps[i].kind == SK_STEP_BIND && open_bind) {
            if ((bind = open_bind(i)) < 0) return -1;
        } else if (steps[i].kind == SK_STEP_BIND) {
            if (next == bind_count) {
                errno = EINVAL;
                return failed("find mount for", plan_string(plan, steps[i].target));
            }
            bind = binds[next++];
        }
        if (run_step(plan, &steps[i], root, bind, at) < 0) return -1;
        if (open_bind && bind >= 0) close(bind);
        root = covered(plan, &steps[i], root);
        if (root < 0) return -1;
    }
    const struct sk_bundle *bundle = plan_bundle(plan);
    if (!bundle) return pivot(root);
    int is_new = (bundle->new_namespaces & CLONE_NEWNS) != 0, no_pivot = (bundle->flags & SK_BUNDLE_NO_PIVOT) != 0;
    int done = is_new && !no_pivot ? pivot(root) : change_root(root, is_new);
    if (done == 0 && bundle->root_propagation && mount(NULL, "/", NULL, bundle->root_propagation, NULL) < 0)
        return failed("set propagation of", "/");
    return done;
}
