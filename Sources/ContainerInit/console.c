#include "console.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "report.h"

enum { devpts_magic = 0x1cd1 };

static int master = -1, slave = -1;

int console_take(int multiplexer) {
    struct stat about;
    struct statfs system;
    // An image may have put something else there (CVE-2025-52565).
    if (fstat(multiplexer, &about) < 0 || !S_ISCHR(about.st_mode) || about.st_rdev != makedev(5, 2) ||
        fstatfs(multiplexer, &system) < 0 || system.f_type != devpts_magic) {
        close(multiplexer);
        errno = ENODEV;
        return failed("recognise terminal multiplexer", "/dev/ptmx");
    }
    int unlocked = 0;
    master = multiplexer;
    if (ioctl(master, TIOCSPTLCK, &unlocked) < 0 || (slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0)
        return failed("open terminal", NULL);
    return slave;
}

int console_open(void) {
    if (slave >= 0) return slave;
    int multiplexer = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    return multiplexer < 0 ? failed("open", "/dev/ptmx") : console_take(multiplexer);
}

int console_hand_over(const struct plan *plan, int to) {
    const struct sk_bundle *bundle = plan_bundle(plan);
    if (console_open() < 0) return -1;
    struct winsize size = {.ws_row = (unsigned short)bundle->terminal_rows, .ws_col = (unsigned short)bundle->terminal_columns};
    if (size.ws_row && ioctl(slave, TIOCSWINSZ, &size) < 0) return failed("set size of terminal", NULL);
    if (plan->head->uid && fchown(slave, plan->head->uid, (gid_t)-1) < 0) return failed("give terminal to user", NULL);
    // The name is for the receiver's messages only.
    char name[] = "/dev/ptmx";
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec part = {.iov_base = name, .iov_len = strlen(name)};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    memcpy(CMSG_DATA(&control.header), &master, sizeof master);
    if (sendmsg(to, &packet, MSG_NOSIGNAL) < 0) return failed("hand terminal over to console socket", NULL);
    close(master);
    master = -1;
    return slave;
}

int console_control(int terminal) { return ioctl(terminal, TIOCSCTTY, 0) < 0 ? failed("take controlling terminal", NULL) : 0; }
