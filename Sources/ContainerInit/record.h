#pragma once
#include "SkPlan.h"

// Whether the kernel killed a process of the container for want of memory: the number after "oom_kill " in its counter file, which may
// be -1.
int record_has_memory_deaths(int counter);

// Writes how the container ended into its directory. The record is one write into one sector that the file already has, so it is whole or
// absent after a crash, and a full disk has room. It outlives every process from here on. The disk is only asked to begin: containers end
// with the machine anyway, and one whose record was lost with it counts as killed by that.
void record_write(int directory, const struct sk_message *record);
