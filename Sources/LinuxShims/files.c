#include "SkFiles.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(SK_O_PATH == O_PATH, "as fcntl.h has it");

int sk_openat2(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
    struct open_how how = { .flags = flags, .mode = mode, .resolve = resolve };
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

int sk_syncfs(int descriptor)
{
    return syncfs(descriptor);
}

int sk_is_file_at(int descriptor, const char *path)
{
    struct stat open, named;
    if (fstat(descriptor, &open) != 0 || stat(path, &named) != 0)
        return -1;
    return open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

int sk_rename_new(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
}
