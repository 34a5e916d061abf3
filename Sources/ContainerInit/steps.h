#pragma once
#include "plan.h"

// Runs one step of a plan on the root that lies at `root`; `bind` is the detached mount of a bind step. `at` (may be NULL) is called at
// SK_STEP_CGROUPS and SK_STEP_HOOKS, as `root_build` says. -1 with `failure` set.
int step_run(const struct plan *plan, const struct sk_step *step, int root, int bind, int (*at)(uint32_t kind));

// The root that SK_STEP_MOVE takes from.
void step_move_from(int scaffold);
