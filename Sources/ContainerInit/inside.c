#include "inside.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kernel.h"
#include "report.h"

enum { deepest_path = 64 };

// Where a container's symbolic links cannot lead out: every path is resolved as if `root` were the root.
int open_inside(int root, const char *path, uint64_t flags) {
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
int open_parent(int root, const char *path, char name[longest_path]) {
    char parent[longest_path];
    if (split(path, parent, name) < 0) return -1;
    return open_or_make(root, parent, 1, deepest_path);
}

static int open_target(int root, const char *path, int directory) { return open_or_make(root, path, directory, deepest_path); }
int attach_inside(int root, int mount, const char *path) {
    struct stat about;
    if (fstat(mount, &about) < 0) return failed("inspect mount for", path);
    int target = open_target(root, path, S_ISDIR(about.st_mode));
    if (target < 0) return failed("make mount point", path);
    int moved = move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
    if (moved < 0) failed("mount on", path);
    close(target);
    return moved;
}
