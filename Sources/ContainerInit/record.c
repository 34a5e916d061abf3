#include "record.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int record_has_memory_deaths(int counter) {
    char text[1024];
    if (counter < 0) return 0;
    ssize_t got = pread(counter, text, sizeof text - 1, 0);
    if (got <= 0) return 0;
    text[got] = 0;
    const char *at = strstr(text, "oom_kill ");
    return at && at[9] > '0' && at[9] <= '9';
}

void record_write(int directory, const struct sk_message *record) {
    int file = openat(directory, "exit", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (file < 0) return;
    if (pwrite(file, record, sizeof *record, 0) == (ssize_t)sizeof *record)
        sync_file_range(file, 0, sizeof *record, SYNC_FILE_RANGE_WRITE);
    close(file);
}
