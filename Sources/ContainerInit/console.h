#pragma once
#include "plan.h"

// Takes over an opened terminal multiplexer, which must be one, and makes its slave. The slave's descriptor, or -1 with `failure` set.
int console_take(int multiplexer);

// Opens a terminal of the devpts that this process sees, where no step has taken one.
int console_open(void);

// Hands the master over on the connected socket `to`, with size and owner set, and gives the slave (the caller's), or -1 with `failure` set.
int console_hand_over(const struct plan *plan, int to);

// Makes the slave the controlling terminal of this session's leader.
int console_control(int slave);
