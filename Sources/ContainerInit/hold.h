#pragma once
#include <stdint.h>
#include <sys/types.h>

// How a program that has settled is held until its start: stopped after its exec and before its first instruction where the kernel lets
// us, else by itself before its exec.

enum { hold_tags = 2 };

// Events of `epoll` carry `tag` or tags up to `hold_tags` after it.
void hold_open(int epoll, uint64_t tag);

// Lets the program exec now if it can be stopped there, else when `start`, the event that it and we read, says so once more. It may be
// told only that until then: SK_GO_*. -1 with `failure` set.
int hold_lead(pid_t program, int program_end, int start);

// The program, which said so, could not exec or was told not to, and holds by itself: it will exec at its start, and nobody stops it then.
void hold_by_itself(void);

// What an event said.
enum { hold_nothing, hold_is_held, hold_is_started, hold_has_failed };
int hold_handle(uint64_t number);

// Whether the program has its exec behind it and its first instruction before it.
int hold_is_stopped(void);

// Gives a stopped program a signal as one before its exec takes it: by its default, which ends it or is nothing.
void hold_signal(int signal);

// Reaps a killed program that is traced: its tracer is the first to, and its pid namespace does not end before.
void hold_reap(void);
