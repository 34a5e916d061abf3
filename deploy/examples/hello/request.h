#pragma once
#include <stdbool.h>
#include <stddef.h>

// Reads one HTTP/1.1 request at a time from bytes in memory; knows no socket.

enum { REQUEST_HEAD_LIMIT = 16384 };

enum request_state { REQUEST_MORE, REQUEST_COMPLETE, REQUEST_BAD };

struct request {
    /// What part of the request comes next.
    enum { READ_HEAD, READ_BODY, READ_CHUNK_SIZE, READ_CHUNK_DATA, READ_CHUNK_END, READ_TRAILER } part;
    unsigned long long body_left;
    bool is_head;       // method HEAD: the answer has no body
    bool is_health;     // path /healthz
    bool keep_alive;
    bool wants_continue;
    /// Status to answer when bad.
    int status;
};

void request_reset(struct request *request);

/// Takes what it can of `bytes` and sets `taken`. The body is discarded. Incomplete lines stay with the caller, who calls again with
/// more; a head or line longer than REQUEST_HEAD_LIMIT is bad.
enum request_state request_read(struct request *request, const char *bytes, size_t count, size_t *taken);
