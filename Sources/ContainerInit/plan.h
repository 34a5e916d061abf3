#pragma once
#include <stddef.h>

#include "SkPlan.h"

// A plan mapped from its descriptor; every offset in it has been checked.
struct plan {
    const uint8_t *base;
    const struct sk_plan *head;
    size_t size;
};

// Maps and checks the plan on `fd` (which stays the caller's). -1 with `failure` set.
int plan_open(struct plan *plan, int fd);
// Checks a plan that lies in memory. 0 when sound.
int plan_check(struct plan *plan, const uint8_t *base, size_t size);
void plan_close(struct plan *plan);

static inline const char *plan_string(const struct plan *plan, uint32_t offset) { return (const char *)plan->base + offset; }
static inline const void *plan_list(const struct plan *plan, struct sk_list list) { return plan->base + list.offset; }

// What a bundle's plan says beyond others, NULL for those.
static inline const struct sk_bundle *plan_bundle(const struct plan *plan) {
    return plan->head->bundle.count ? plan_list(plan, plan->head->bundle) : NULL;
}

// Fills `out` (room for list.count + 1) with the list's strings and a closing NULL.
void plan_strings(const struct plan *plan, struct sk_list list, const char **out);
