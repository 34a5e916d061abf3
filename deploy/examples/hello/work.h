#pragma once
#include <stdbool.h>

// The service itself: CONCURRENCY workers that each take SERVICE_MS for a request; further requests wait first in, first out.

struct job {
    struct job *next;
    /// Set when the client is gone: the request is skipped.
    bool abandoned;
    /// How many requests this replica had served when it served this one, itself included.
    unsigned long long served;
};

/// Starts the workers; each `uses_cpu` (burns processor time) or waits. False when a thread could not be made.
bool work_start(int workers, double service_ms, bool uses_cpu, int done_eventfd);
void work_submit(struct job *job);
void work_abandon(struct job *job);
/// All jobs done since the last call, oldest first, or NULL.
struct job *work_take_done(void);
