#include "log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "report.h"

enum { pieces = 64, stamp_length = 30 };

static struct {
    int directory;
    int file;
    uint64_t size;
    uint64_t largest;
    uint32_t files;
} journal = {.directory = -1, .file = -1};

static int open_file(void) {
    journal.file = openat(journal.directory, "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    struct stat about;
    journal.size = journal.file >= 0 && fstat(journal.file, &about) == 0 ? (uint64_t)about.st_size : 0;
    return journal.file;
}

int log_open(int directory, uint64_t bytes, uint32_t files) {
    journal.directory = directory;
    journal.largest = bytes;
    journal.files = files;
    return open_file() < 0 ? failed("open", "log") : 0;
}

static void rotate(void) {
    char from[24], to[24];
    close(journal.file);
    for (uint32_t i = journal.files > 1 ? journal.files - 1 : 0; i > 0; i--) {
        snprintf(to, sizeof to, "log.%u", i);
        if (i > 1) snprintf(from, sizeof from, "log.%u", i - 1);
        else strcpy(from, "log");
        renameat(journal.directory, from, journal.directory, to);
    }
    if (journal.files <= 1) unlinkat(journal.directory, "log", 0);
    open_file();
}

// Howard Hinnant's days-from-civil inverse: days since 1970-01-01 to a date (chrono-compatible low-level date algorithms).
static void civil(int64_t days, int *year, int *month, int *day) {
    days += 719468;
    int64_t era = days / 146097;
    int64_t of_era = days - era * 146097;
    int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
    int64_t shifted = (5 * of_year + 2) / 153;
    *day = (int)(of_year - (153 * shifted + 2) / 5 + 1);
    *month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = (int)(years + era * 400 + (*month <= 2));
}

static void digits(char *to, unsigned int value, int count) {
    for (int i = count - 1; i >= 0; i--, value /= 10) to[i] = (char)('0' + value % 10);
}

// Writes "YYYY-MM-DDThh:mm:ss.nnnnnnnnnZ", `stamp_length` characters.
static void stamp(char *to) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int year, month, day;
    civil(now.tv_sec / 86400, &year, &month, &day);
    unsigned int second = (unsigned int)(now.tv_sec % 86400);
    memcpy(to, "0000-00-00T00:00:00.000000000Z", stamp_length);
    digits(to, (unsigned int)year, 4);
    digits(to + 5, (unsigned int)month, 2);
    digits(to + 8, (unsigned int)day, 2);
    digits(to + 11, second / 3600, 2);
    digits(to + 14, second / 60 % 60, 2);
    digits(to + 17, second % 60, 2);
    digits(to + 20, (unsigned int)now.tv_nsec, 9);
}

static void put(struct iovec *parts, int count) {
    uint64_t length = 0;
    for (int i = 0; i < count; i++) length += parts[i].iov_len;
    if (journal.size > 0 && journal.size + length > journal.largest) rotate();
    if (journal.file < 0 && open_file() < 0) return;
    ssize_t written = writev(journal.file, parts, count);
    if (written > 0) journal.size += (uint64_t)written;
}

void log_append(const char *stream, const char *text, size_t length) {
    if (journal.directory < 0) return;
    char whole[48], piece[48];
    stamp(whole);
    whole[stamp_length] = ' ';
    strcpy(whole + stamp_length + 1, stream);
    memcpy(piece, whole, sizeof piece);
    strcat(whole, " F ");
    strcat(piece, " P ");
    size_t prefix = strlen(whole);
    struct iovec parts[pieces * 3];
    int count = 0;
    while (length > 0) {
        const char *end = memchr(text, '\n', length);
        size_t line = end ? (size_t)(end - text) : length;
        parts[count++] = (struct iovec){.iov_base = end ? whole : piece, .iov_len = prefix};
        parts[count++] = (struct iovec){.iov_base = (void *)text, .iov_len = line};
        parts[count++] = (struct iovec){.iov_base = (void *)"\n", .iov_len = 1};
        text += line + (end ? 1 : 0);
        length -= line + (end ? 1 : 0);
        if (count == pieces * 3 || length == 0) {
            put(parts, count);
            count = 0;
        }
    }
}
