#pragma once
#include "SkPlan.h"

// The one failure this process is about to report: errno, and the operation with its object.
extern struct sk_message failure;

// Records errno and "operation object" (object may be NULL); returns -1.
int failed(const char *operation, const char *object);

// Appends `from` to the NUL-ended text in `to`, cutting what does not fit.
void append_text(char *to, unsigned long size, const char *from);
