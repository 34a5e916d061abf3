#pragma once
// Files: openat2, which glibc does not wrap, and the extended attribute calls, which Swift's Glibc module leaves out.
#include <stdint.h>
#include <sys/types.h>
#include <sys/xattr.h>

/// The values of openat2's `resolve` that the image store uses (linux/openat2.h).
enum {
    SK_RESOLVE_NO_XDEV = 0x01,
    SK_RESOLVE_NO_MAGICLINKS = 0x02,
    SK_RESOLVE_NO_SYMLINKS = 0x04,
    SK_RESOLVE_BENEATH = 0x08,
    SK_RESOLVE_IN_ROOT = 0x10,
};

/// openat2(2): a descriptor, or -1 with errno.
int sk_openat2(int directory, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);

/// syncfs(2), which Swift's Glibc module hides.
int sk_syncfs(int descriptor);

/// O_PATH of fcntl.h, which Swift's Glibc module hides.
enum { SK_O_PATH = 010000000 };

/// Whether `path` names the file that `descriptor` has open: 1 or 0, or -1 with errno when there is no such path.
int sk_is_file_at(int descriptor, const char *path);

/// Renames within one file system unless there is something named `to`: 0, or -1 with errno, EEXIST then. Swift's Glibc module hides
/// renameat2(2).
int sk_rename_new(const char *from, const char *to);
