#pragma once
#include "plan.h"

// Runs the bundle's hooks of `point` one after another, each with `state` on its standard input, until one fails: -1 with `failure` set.
int hooks_run(const struct plan *plan, uint32_t point, int state);
