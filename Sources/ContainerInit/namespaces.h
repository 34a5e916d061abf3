#pragma once
#include <sys/types.h>

// Writes `text` into the file `name` of a process's directory in /proc: maps of its user namespace, its score. -1 with `failure` set.
int write_about(pid_t pid, const char *name, const char *text);

// Brings the loopback interface of this network namespace up, if we may.
void raise_loopback(void);
