#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kernel.h"
#include "report.h"
#include "steps.h"

int root_scaffold(const struct plan *plan) {
    int made = fsopen("tmpfs", FSOPEN_CLOEXEC), scaffold;
    if (made < 0) return failed("open file system", "tmpfs");
    if (fsconfig(made, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 || (scaffold = fsmount(made, FSMOUNT_CLOEXEC, 0)) < 0 ||
        move_mount(scaffold, "", AT_FDCWD, "/sys", MOVE_MOUNT_F_EMPTY_PATH) < 0) {
        failed("mount scaffold", NULL);
        close(made);
        return -1;
    }
    close(made);
    step_move_from(scaffold);
    const struct sk_step *steps = plan_list(plan, plan->head->steps);
    for (uint32_t i = 0; i < plan->head->steps.count; i++) {
        errno = EINVAL;
        if (steps[i].kind == SK_STEP_BIND) return failed("bind in scaffold", plan_string(plan, steps[i].target));
        if (step_run(plan, &steps[i], scaffold, -1, NULL) < 0) return -1;
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
        if (step_run(plan, &steps[i], root, bind, at) < 0) return -1;
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
