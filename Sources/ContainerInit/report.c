#include "report.h"

#include <errno.h>
#include <string.h>

struct sk_message failure;

void append_text(char *to, unsigned long size, const char *from) {
    unsigned long at = strlen(to);
    while (at + 1 < size && *from) to[at++] = *from++;
    to[at] = 0;
}

int failed(const char *operation, const char *object) {
    int error = errno;
    memset(&failure, 0, sizeof failure);
    failure.kind = SK_TELL_FAILED;
    failure.version = SK_PLAN_VERSION;
    failure.code = error;
    append_text(failure.text, sizeof failure.text, operation);
    if (object) {
        append_text(failure.text, sizeof failure.text, " ");
        append_text(failure.text, sizeof failure.text, object);
    }
    errno = error;
    return -1;
}
