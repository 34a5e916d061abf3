#include "protect.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "inside.h"
#include "kernel.h"
#include "report.h"

static const dev_t null_device = 1 << 8 | 3;

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

int step_protect(const struct plan *plan, const struct sk_step *step, int root) {
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
