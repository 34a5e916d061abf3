#pragma once
#include <stddef.h>
#include <stdint.h>

// Opens (or goes on with) the container's log in `directory`, rotated at `bytes` into at most `files` files. -1 with `failure` set.
int log_open(int directory, uint64_t bytes, uint32_t files);

// Appends what came from one stream, as lines of the CRI format: `2016-10-06T00:17:09.669794202Z stdout F text`; P marks a piece whose
// line goes on. A log that cannot be written (a full disk) drops the text: the container is never held up.
void log_append(const char *stream, const char *text, size_t length);
