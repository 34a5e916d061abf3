#include "SkContainer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

static int closing(int fd, int result) {
    close(fd);
    return result;
}

int sk_executable_copy(const char *path) {
    int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0) return -errno;
    struct stat about;
    if (fstat(from, &about) < 0) return closing(from, -errno);
    int copy = memfd_create("sidekick-init", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
    // Kernels before 6.3 know no MFD_EXEC and make every one executable.
    if (copy < 0 && errno == EINVAL) copy = memfd_create("sidekick-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (copy < 0) return closing(from, -errno);
    for (off_t left = about.st_size; left > 0;) {
        ssize_t moved = sendfile(copy, from, NULL, (size_t)left);
        if (moved <= 0) {
            int error = moved < 0 ? errno : EIO;
            close(from);
            return closing(copy, -error);
        }
        left -= moved;
    }
    close(from);
    fchmod(copy, 0555);
    if (fcntl(copy, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) return closing(copy, -errno);
    return copy;
}

struct spawn {
    int executable;
    int connection;
    int listener;
    int error;
};

// Runs on a stack of its own in the parent's memory until the exec: nothing here may touch what the parent uses.
static int spawn_child(void *argument) {
    struct spawn *spawn = argument;
    static char *const arguments[] = {(char *)"sidekick-init", (char *)"guard", NULL};
    static char *const environment[] = {NULL};
    int executable = fcntl(spawn->executable, F_DUPFD_CLOEXEC, 10);
    int connection = fcntl(spawn->connection, F_DUPFD_CLOEXEC, 10);
    int listener = fcntl(spawn->listener, F_DUPFD_CLOEXEC, 10);
    if (executable >= 0 && connection >= 0 && listener >= 0 && dup2(connection, 3) == 3 && dup2(listener, 4) == 4) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        for (int i = 0; i < 3 && null >= 0; i++) dup2(null, i);
        struct sigaction action = {.sa_handler = SIG_DFL};
        for (int signal = 1; signal < 65; signal++) sigaction(signal, &action, NULL);
        setsid();
        if (chdir("/") == 0 && syscall(SYS_close_range, 5, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) == 0)
            syscall(SYS_execveat, executable, "", arguments, environment, AT_EMPTY_PATH);
    }
    spawn->error = errno;
    _exit(127);
}

int sk_guard_spawn(int executable, int connection, int listener) {
    enum { stack_size = 65536 };
    char *stack = mmap(NULL, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) return -errno;
    struct spawn spawn = {.executable = executable, .connection = connection, .listener = listener};
    // No signal handler of this process may run in the child; the guard starts with every signal blocked, as it wants them.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int pid = clone(spawn_child, stack + stack_size, CLONE_VM | CLONE_VFORK | SIGCHLD, &spawn);
    int error = pid < 0 ? errno : spawn.error;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stack, stack_size);
    if (pid >= 0 && error) sk_reap(pid);
    return error ? -error : pid;
}

int sk_reap(int pid) {
    int got;
    do got = waitpid(pid, NULL, 0);
    while (got < 0 && errno == EINTR);
    return 0;
}

int sk_memory_file(const void *bytes, size_t count) {
    int file = memfd_create("sidekick-plan", MFD_CLOEXEC);
    if (file < 0) return -errno;
    for (size_t at = 0; at < count;) {
        ssize_t written = write(file, (const char *)bytes + at, count - at);
        if (written < 0) return closing(file, -errno);
        at += (size_t)written;
    }
    return file;
}

int sk_message_pair(int descriptors[2]) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, descriptors) < 0 ? -errno : 0;
}

// Through /proc, since a socket's path may have 107 bytes only.
static int directory_address(struct sockaddr_un *address, int directory, const char *name) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    int length = snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", directory, name);
    return length < (int)sizeof address->sun_path ? 0 : -ENAMETOOLONG;
}

int sk_message_bind(int directory, const char *name) {
    struct sockaddr_un address;
    int error = directory_address(&address, directory, name);
    if (error < 0) return error;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    return bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ? closing(fd, -errno) : fd;
}

int sk_message_connect(int directory, const char *name) {
    struct sockaddr_un address;
    int error = directory_address(&address, directory, name);
    if (error < 0) return error;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    return connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ? closing(fd, -errno) : fd;
}

int sk_message_peer(int socket) {
    struct ucred who;
    socklen_t length = sizeof who;
    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &length) < 0 ? -errno : who.pid;
}

int sk_message_send(int socket, const struct sk_message *message, const int *descriptors, int count) {
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int) * 8)];
    } control;
    struct iovec part = {.iov_base = (void *)message, .iov_len = sizeof *message};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
    if (count < 0 || count > 8) return -EINVAL;
    if (count > 0) {
        memset(&control, 0, sizeof control);
        packet.msg_control = control.bytes;
        packet.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&packet);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
        memcpy(CMSG_DATA(header), descriptors, sizeof(int) * (size_t)count);
    }
    ssize_t sent;
    do sent = sendmsg(socket, &packet, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

int sk_message_receive(int socket, struct sk_message *message, int *descriptor, int milliseconds) {
    *descriptor = -1;
    if (milliseconds != 0) {
        struct pollfd ready = {.fd = socket, .events = POLLIN};
        int count;
        do count = poll(&ready, 1, milliseconds);
        while (count < 0 && errno == EINTR);
        if (count < 0) return -errno;
        if (count == 0) return -EAGAIN;
    }
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {.iov_base = message, .iov_len = sizeof *message};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t got;
    do got = recvmsg(socket, &packet, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    // A guard killed with messages of ours unread resets the connection.
    if (got < 0) return errno == ECONNRESET ? 0 : -errno;
    struct cmsghdr *header = CMSG_FIRSTHDR(&packet);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
        memcpy(descriptor, CMSG_DATA(header), sizeof(int));
    if (got == 0) return 0;
    if (got == (ssize_t)sizeof *message && message->version == SK_PLAN_VERSION) {
        message->text[SK_MESSAGE_TEXT - 1] = 0;
        return 1;
    }
    if (*descriptor >= 0) close(*descriptor);
    *descriptor = -1;
    return -EPROTO;
}

// A tree may be deeper than this process has descriptors or stack: what lies deeper than `deepest_level` is moved up beside the tree and
// removed after it.
struct removal {
    int top;
    dev_t device;
    unsigned int moved;
};
enum { deepest_level = 64, most_attempts = 8 };

static void moved_name(char name[32], unsigned int number) { snprintf(name, 32, ".deep-%d-%u", (int)gettid(), number); }

static int remove_below(struct removal *removal, int directory, const char *name, int level);

static int remove_entries(struct removal *removal, int fd, int level) {
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) return -errno;
    DIR *entries = fdopendir(copy);
    if (!entries) return closing(copy, -errno);
    rewinddir(entries);
    int error = 0;
    for (struct dirent *entry; error == 0 && (entry = readdir(entries));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            error = remove_below(removal, fd, entry->d_name, level + 1);
    closedir(entries);
    return error;
}

static int remove_below(struct removal *removal, int directory, const char *name, int level) {
    if (unlinkat(directory, name, 0) == 0 || errno == ENOENT) return 0;
    if (errno != EISDIR && errno != EPERM) return -errno;
    if (level == deepest_level) {
        char away[32];
        moved_name(away, removal->moved);
        if (renameat(directory, name, removal->top, away) < 0) return -errno;
        removal->moved++;
        return 0;
    }
    int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return -errno;
    struct stat about;
    if (fstat(fd, &about) < 0 || about.st_dev != removal->device) return closing(fd, -EXDEV);
    int error = 0;
    // Some file systems pass entries over while others are removed.
    for (int attempt = 0; error == 0 && attempt < most_attempts; attempt++) {
        error = remove_entries(removal, fd, level);
        if (error < 0 || unlinkat(directory, name, AT_REMOVEDIR) == 0 || errno == ENOENT) break;
        if (errno != ENOTEMPTY) error = -errno;
        else if (attempt + 1 == most_attempts) error = -ENOTEMPTY;
    }
    return closing(fd, error);
}

int sk_remove_tree(int directory, const char *name) {
    struct stat about;
    if (fstatat(directory, name, &about, AT_SYMLINK_NOFOLLOW) < 0) return errno == ENOENT ? 0 : -errno;
    struct removal removal = {.top = directory, .device = about.st_dev};
    int error = remove_below(&removal, directory, name, 0);
    for (unsigned int done = 0; error == 0 && done < removal.moved; done++) {
        char away[32];
        moved_name(away, done);
        error = remove_below(&removal, directory, away, 0);
    }
    return error;
}

int sk_wait_readable(int first, int second, int milliseconds) {
    struct pollfd ready[2] = {{.fd = first, .events = POLLIN}, {.fd = second, .events = POLLIN}};
    int count;
    do count = poll(ready, 2, milliseconds);
    while (count < 0 && errno == EINTR);
    if (count < 0) return -errno;
    return (ready[0].revents ? 1 : 0) | (ready[1].revents ? 2 : 0);
}

void sk_spread_directories(int directory) {
    int flags = 0;
    if (ioctl(directory, FS_IOC_GETFLAGS, &flags) < 0 || flags & FS_TOPDIR_FL) return;
    flags |= FS_TOPDIR_FL;
    ioctl(directory, FS_IOC_SETFLAGS, &flags);
}

int sk_terminal_resize(int terminal, uint16_t rows, uint16_t columns) {
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    return ioctl(terminal, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

int sk_terminal_size(int terminal, uint16_t *rows, uint16_t *columns) {
    struct winsize size;
    if (ioctl(terminal, TIOCGWINSZ, &size) < 0) return -errno;
    *rows = size.ws_row;
    *columns = size.ws_col;
    return 0;
}
