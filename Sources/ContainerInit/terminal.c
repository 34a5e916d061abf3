#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "report.h"

static int is_multiplexer(int fd) {
    struct stat about;
    struct statfs system;
    errno = ENODEV;
    return fstat(fd, &about) == 0 && S_ISCHR(about.st_mode) && about.st_rdev == makedev(5, 2) && fstatfs(fd, &system) == 0 &&
           system.f_type == DEVPTS_SUPER_MAGIC;
}

int terminal_open(const struct plan *plan, int *master, int *slave) {
    setsid();
    int unlocked = 0;
    // Not /dev/ptmx and not the slave's name: a link there could lead to what the image put in its place (CVE-2025-52565).
    *master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW);
    if (*master < 0) return failed("open", "/dev/pts/ptmx");
    if (!is_multiplexer(*master)) failed("recognise terminal multiplexer", "/dev/pts/ptmx");
    else if (ioctl(*master, TIOCSPTLCK, &unlocked) < 0 || (*slave = ioctl(*master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0)
        failed("open terminal", NULL);
    else if (fchown(*slave, plan->head->uid, (gid_t)-1) == 0 && ioctl(*slave, TIOCSCTTY, 0) == 0) return 0;
    else {
        failed("take terminal", NULL);
        close(*slave);
    }
    close(*master);
    return -1;
}

void terminal_resize(int terminal, uint64_t size) {
    struct winsize window = {.ws_row = (unsigned short)(size >> 16), .ws_col = (unsigned short)size};
    ioctl(terminal, TIOCSWINSZ, &window);
}
