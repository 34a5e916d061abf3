#include "copyup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { deepest_level = 64 };

static int copy_attributes(int from, int to) {
    char names[4096], value[4096];
    ssize_t length = flistxattr(from, names, sizeof names);
    for (const char *name = names; length > 0 && name < names + length; name += strlen(name) + 1) {
        ssize_t size = fgetxattr(from, name, value, sizeof value);
        // What the other file system does not keep (a security module's label) is not ours to insist on.
        if (size >= 0 && fsetxattr(to, name, value, (size_t)size, 0) < 0 && errno != ENOTSUP && errno != EPERM) return -1;
    }
    return 0;
}

static int copy_file(int from, const char *name, int to, const struct stat *about) {
    int source = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (source < 0) return -1;
    int copy = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int done = copy < 0 ? -1 : 0;
    for (off_t left = about->st_size; done == 0 && left > 0;) {
        ssize_t moved = sendfile(copy, source, NULL, (size_t)left);
        if (moved < 0) done = -1;
        if (moved <= 0) break;
        left -= moved;
    }
    if (done == 0) done = fchown(copy, about->st_uid, about->st_gid);
    if (done == 0) done = fchmod(copy, about->st_mode & 07777);
    if (done == 0) done = copy_attributes(source, copy);
    int error = errno;
    if (copy >= 0) close(copy);
    close(source);
    errno = error;
    return done;
}

static int copy_link(int from, const char *name, int to, const struct stat *about) {
    char target[4096];
    ssize_t length = readlinkat(from, name, target, sizeof target - 1);
    if (length < 0) return -1;
    target[length] = 0;
    if (symlinkat(target, to, name) < 0) return -1;
    return fchownat(to, name, about->st_uid, about->st_gid, AT_SYMLINK_NOFOLLOW);
}

static int copy_directory(int from, int to, int level);

static int copy_below(int from, const char *name, int to, const struct stat *about, int level) {
    if (level == deepest_level) {
        errno = ELOOP;
        return -1;
    }
    if (mkdirat(to, name, 0700) < 0) return -1;
    int source = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int copy = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int done = source < 0 || copy < 0 ? -1 : copy_directory(source, copy, level + 1);
    if (done == 0) done = fchown(copy, about->st_uid, about->st_gid);
    if (done == 0) done = fchmod(copy, about->st_mode & 07777);
    if (done == 0) done = copy_attributes(source, copy);
    int error = errno;
    if (source >= 0) close(source);
    if (copy >= 0) close(copy);
    errno = error;
    return done;
}

static int copy_entry(int from, const char *name, int to, int level) {
    struct stat about;
    if (fstatat(from, name, &about, AT_SYMLINK_NOFOLLOW) < 0) return -1;
    if (S_ISREG(about.st_mode)) return copy_file(from, name, to, &about);
    if (S_ISDIR(about.st_mode)) return copy_below(from, name, to, &about, level);
    if (S_ISLNK(about.st_mode)) return copy_link(from, name, to, &about);
    if (mknodat(to, name, about.st_mode, about.st_rdev) < 0) return -1;
    return fchownat(to, name, about.st_uid, about.st_gid, AT_SYMLINK_NOFOLLOW);
}

static int copy_directory(int from, int to, int level) {
    int list = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = list < 0 ? NULL : fdopendir(list);
    if (!entries) return -1;
    int done = 0;
    for (struct dirent *entry; done == 0 && (entry = readdir(entries));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) done = copy_entry(from, entry->d_name, to, level);
    int error = errno;
    closedir(entries);
    errno = error;
    return done;
}

int copy_up(int from, int to) { return copy_directory(from, to, 0); }
