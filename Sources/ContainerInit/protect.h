#pragma once
#include "plan.h"

// Hides a path, or makes it read-only, if it exists: SK_STEP_MASK and SK_STEP_READ_ONLY. -1 with `failure` set.
int step_protect(const struct plan *plan, const struct sk_step *step, int root);
