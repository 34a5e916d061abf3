#include "work.h"

#include <pthread.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct job *first, *last;
    struct job *done_first, *done_last;
    unsigned long long served;
    int done_eventfd;
    struct timespec service;
    bool uses_cpu;
} work = {.lock = PTHREAD_MUTEX_INITIALIZER, .arrived = PTHREAD_COND_INITIALIZER};

static void append(struct job **first, struct job **last, struct job *job) {
    job->next = NULL;
    if (*last) (*last)->next = job;
    else *first = job;
    *last = job;
}

static void serve(void) {
    if (!work.uses_cpu) {
        struct timespec left = work.service;
        while (nanosleep(&left, &left) != 0) {}
        return;
    }
    struct timespec start, now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    long long want = work.service.tv_sec * 1000000000LL + work.service.tv_nsec;
    do clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    while ((now.tv_sec - start.tv_sec) * 1000000000LL + (now.tv_nsec - start.tv_nsec) < want);
}

static void *worker(void *unused) {
    (void)unused;
    pthread_mutex_lock(&work.lock);
    for (;;) {
        while (!work.first) pthread_cond_wait(&work.arrived, &work.lock);
        struct job *job = work.first;
        work.first = job->next;
        if (!work.first) work.last = NULL;
        if (!job->abandoned) {
            pthread_mutex_unlock(&work.lock);
            serve();
            pthread_mutex_lock(&work.lock);
            job->served = ++work.served;
        }
        append(&work.done_first, &work.done_last, job);
        uint64_t one = 1;
        if (write(work.done_eventfd, &one, sizeof one) < 0) { /* its counter is full, so the reader is awake already */ }
    }
    return NULL;
}

bool work_start(int workers, double service_ms, bool uses_cpu, int done_eventfd) {
    long long nanoseconds = (long long)(service_ms * 1e6);
    work.service = (struct timespec){nanoseconds / 1000000000, nanoseconds % 1000000000};
    work.uses_cpu = uses_cpu;
    work.done_eventfd = done_eventfd;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 << 10);
    for (int i = 0; i < workers; i++) {
        pthread_t thread;
        if (pthread_create(&thread, &attributes, worker, NULL) != 0) return false;
    }
    return true;
}

void work_submit(struct job *job) {
    pthread_mutex_lock(&work.lock);
    append(&work.first, &work.last, job);
    pthread_cond_signal(&work.arrived);
    pthread_mutex_unlock(&work.lock);
}

void work_abandon(struct job *job) {
    pthread_mutex_lock(&work.lock);
    job->abandoned = true;
    pthread_mutex_unlock(&work.lock);
}

struct job *work_take_done(void) {
    pthread_mutex_lock(&work.lock);
    struct job *done = work.done_first;
    work.done_first = work.done_last = NULL;
    pthread_mutex_unlock(&work.lock);
    return done;
}
