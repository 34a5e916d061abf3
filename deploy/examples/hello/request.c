#define _GNU_SOURCE
#include "request.h"

#include <string.h>
#include <strings.h>

void request_reset(struct request *request) {
    memset(request, 0, sizeof *request);
    request->part = READ_HEAD;
}

static enum request_state bad(struct request *request, int status) {
    request->status = status;
    request->keep_alive = false;
    return REQUEST_BAD;
}

/// Length of the line at `bytes` without its CR LF, or -1 while it is incomplete.
static long line_length(const char *bytes, size_t count, size_t *next) {
    const char *end = memchr(bytes, '\n', count);
    if (!end) return -1;
    *next = (size_t)(end - bytes) + 1;
    size_t length = (size_t)(end - bytes);
    if (length > 0 && bytes[length - 1] == '\r') length--;
    return (long)length;
}

static bool has_token(const char *value, size_t length, const char *token) {
    size_t size = strlen(token);
    for (size_t i = 0; i + size <= length; i++)
        if (strncasecmp(value + i, token, size) == 0) return true;
    return false;
}

/// A number of only digits of `base`, no sign, no space; false when there is none or it is absurd.
static bool number(const char *text, size_t length, int base, unsigned long long *value) {
    *value = 0;
    if (length == 0 || length > 15) return false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
        if (digit >= base) return false;
        *value = *value * (unsigned)base + (unsigned)digit;
    }
    return true;
}

static bool request_line(struct request *request, const char *line, size_t length) {
    const char *space = memchr(line, ' ', length);
    if (!space || space == line) return false;
    const char *path = space + 1;
    size_t rest = length - (size_t)(path - line);
    const char *second = memchr(path, ' ', rest);
    if (!second || second == path) return false;
    size_t path_length = (size_t)(second - path);
    const char *version = second + 1;
    size_t version_length = rest - path_length - 1;
    if (version_length != 8 || memcmp(version, "HTTP/1.", 7) != 0) return false;
    request->is_head = space - line == 4 && memcmp(line, "HEAD", 4) == 0;
    request->is_health = path_length == 8 && memcmp(path, "/healthz", 8) == 0;
    request->keep_alive = version[7] >= '1';
    return true;
}

/// 0, or the status to refuse with.
static int header_line(struct request *request, const char *line, size_t length, bool *has_length, bool *chunked) {
    const char *colon = memchr(line, ':', length);
    if (!colon || colon == line || colon[-1] == ' ') return 400;
    size_t name = (size_t)(colon - line);
    const char *value = colon + 1;
    size_t size = length - name - 1;
    while (size > 0 && (*value == ' ' || *value == '\t')) value++, size--;
    while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t')) size--;
    if (name == 14 && strncasecmp(line, "content-length", 14) == 0) {
        unsigned long long before = request->body_left;
        if (!number(value, size, 10, &request->body_left) || (*has_length && before != request->body_left)) return 400;
        *has_length = true;
    } else if (name == 17 && strncasecmp(line, "transfer-encoding", 17) == 0) {
        if (size != 7 || strncasecmp(value, "chunked", 7) != 0) return 501;
        *chunked = true;
    } else if (name == 10 && strncasecmp(line, "connection", 10) == 0) {
        if (has_token(value, size, "close")) request->keep_alive = false;
        else if (has_token(value, size, "keep-alive")) request->keep_alive = true;
    } else if (name == 6 && strncasecmp(line, "expect", 6) == 0) {
        request->wants_continue = has_token(value, size, "100-continue");
    }
    return 0;
}

/// Reads the whole head, once it is there.
static enum request_state read_head(struct request *request, const char *bytes, size_t count, size_t *taken) {
    size_t at = 0;
    // Empty lines before a request are allowed.
    while (at < count && (bytes[at] == '\r' || bytes[at] == '\n')) at++;
    *taken = at;
    const char *start = bytes + at;
    size_t left = count - at;
    const char *end = memmem(start, left, "\r\n\r\n", 4);
    if (!end) return left >= REQUEST_HEAD_LIMIT ? bad(request, 431) : REQUEST_MORE;
    size_t head = (size_t)(end - start) + 2;
    size_t next = 0;
    long length = line_length(start, head, &next);
    if (length < 0 || !request_line(request, start, (size_t)length)) return bad(request, 400);
    bool has_length = false, chunked = false;
    while (next < head) {
        size_t step = 0;
        length = line_length(start + next, head - next, &step);
        int status = length < 0 ? 400 : header_line(request, start + next, (size_t)length, &has_length, &chunked);
        if (status) return bad(request, status);
        next += step;
    }
    if (chunked && has_length) return bad(request, 400);
    *taken = at + head + 2;
    if (chunked) request->part = READ_CHUNK_SIZE;
    else if (request->body_left > 0) request->part = READ_BODY;
    else return REQUEST_COMPLETE;
    return REQUEST_MORE;
}

/// Reads a chunk's size line, or the line end after its data, or a trailer line.
static enum request_state read_line(struct request *request, const char *bytes, size_t count, size_t *taken, bool *moved) {
    size_t next = 0;
    long length = line_length(bytes, count, &next);
    if (length < 0) return count >= REQUEST_HEAD_LIMIT ? bad(request, 400) : REQUEST_MORE;
    *taken = next;
    *moved = true;
    if (request->part == READ_TRAILER) return length == 0 ? REQUEST_COMPLETE : REQUEST_MORE;
    if (request->part == READ_CHUNK_END) {
        if (length != 0) return bad(request, 400);
        request->part = READ_CHUNK_SIZE;
        return REQUEST_MORE;
    }
    const char *extension = memchr(bytes, ';', (size_t)length);
    if (!number(bytes, extension ? (size_t)(extension - bytes) : (size_t)length, 16, &request->body_left)) return bad(request, 400);
    request->part = request->body_left > 0 ? READ_CHUNK_DATA : READ_TRAILER;
    return REQUEST_MORE;
}

enum request_state request_read(struct request *request, const char *bytes, size_t count, size_t *taken) {
    *taken = 0;
    while (*taken < count) {
        size_t step = 0;
        bool moved = false;
        enum request_state state = REQUEST_MORE;
        if (request->part == READ_HEAD) {
            state = read_head(request, bytes + *taken, count - *taken, &step);
            moved = request->part != READ_HEAD;
        } else if (request->part == READ_BODY || request->part == READ_CHUNK_DATA) {
            step = count - *taken;
            if (step > request->body_left) step = (size_t)request->body_left;
            request->body_left -= step;
            moved = true;
            if (request->body_left == 0) {
                if (request->part == READ_BODY) state = REQUEST_COMPLETE;
                else request->part = READ_CHUNK_END;
            }
        } else {
            state = read_line(request, bytes + *taken, count - *taken, &step, &moved);
        }
        *taken += step;
        if (state != REQUEST_MORE || !moved) return state;
    }
    return REQUEST_MORE;
}
