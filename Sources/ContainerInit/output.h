#pragma once
#include <stdint.h>

#include "plan.h"

// The container's standard streams at our end: what it writes is logged and told to attached clients, what they type is passed on.

enum { output_tags = 2 };

// Events of `epoll` carry `tag` and the number of the stream.
void output_open(int epoll, uint64_t tag);

// Makes the pipes for what the program writes; `theirs` are its ends. -1 with `failure` set.
int output_make(const struct plan *plan, int theirs[2]);

// Makes the pipe for what clients type; the program's end, or -1 with `failure` set.
int output_make_input(const struct plan *plan);

// The program has a terminal instead of the pipes, whose master becomes ours.
void output_take_terminal(int master);
void output_resize_terminal(uint64_t size);

void output_handle(uint64_t number);

// Output is not read while attached clients are behind: a pipe or terminal that is full makes the program wait, as ever.
void output_arrange(void);

// Reads what is left after the container's end.
void output_finish(void);
