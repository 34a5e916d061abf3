#include "plan.h"

#include <errno.h>
#include <linux/filter.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "report.h"

enum { largest_plan = 16 << 20 };

static int string_fits(const struct plan *plan, uint32_t offset) { return offset >= sizeof(struct sk_plan) && offset < plan->size; }

static int records_fit(const struct plan *plan, struct sk_list list, size_t each, size_t alignment) {
    if (list.count == 0) return 1;
    if (list.offset < sizeof(struct sk_plan) || list.offset % alignment != 0 || list.offset >= plan->size) return 0;
    return list.count <= (plan->size - list.offset) / each;
}

// The plan's last byte is NUL, so each string ends inside it.
static int strings_fit(const struct plan *plan, struct sk_list list) {
    if (list.count == 0) return 1;
    if (!string_fits(plan, list.offset)) return 0;
    size_t at = list.offset;
    for (uint32_t i = 0; i < list.count; i++) {
        if (at >= plan->size) return 0;
        at += strlen((const char *)plan->base + at) + 1;
    }
    return 1;
}

static int steps_fit(const struct plan *plan) {
    if (!records_fit(plan, plan->head->steps, sizeof(struct sk_step), _Alignof(struct sk_step))) return 0;
    const struct sk_step *steps = plan_list(plan, plan->head->steps);
    for (uint32_t i = 0; i < plan->head->steps.count; i++) {
        const struct sk_step *step = &steps[i];
        if (step->kind == 0 || step->kind > SK_STEP_LAST) return 0;
        if (!string_fits(plan, step->source) || !string_fits(plan, step->target)) return 0;
        if (step->options.count % 2 != 0 || !strings_fit(plan, step->options)) return 0;
    }
    return 1;
}

static int bundle_fits(const struct plan *plan) {
    if (!records_fit(plan, plan->head->bundle, sizeof(struct sk_bundle), _Alignof(struct sk_bundle)) || plan->head->bundle.count > 1) return 0;
    const struct sk_bundle *bundle = plan_bundle(plan);
    if (!bundle) return 1;
    if (bundle->flags >= 2 * SK_BUNDLE_LAST_FLAG) return 0;
    const uint32_t texts[] = {bundle->root,         bundle->domain_name, bundle->user_map,       bundle->group_map,
                              bundle->time_offsets, bundle->exec_label,  bundle->exec_label_file};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!string_fits(plan, texts[i])) return 0;
    if (!records_fit(plan, bundle->joined, sizeof(uint32_t), _Alignof(uint32_t))) return 0;
    if (!records_fit(plan, bundle->hooks, sizeof(struct sk_hook), _Alignof(struct sk_hook))) return 0;
    const struct sk_hook *hooks = plan_list(plan, bundle->hooks);
    for (uint32_t i = 0; i < bundle->hooks.count; i++)
        if (!string_fits(plan, hooks[i].path) || hooks[i].arguments.count == 0 || !strings_fit(plan, hooks[i].arguments) ||
            !strings_fit(plan, hooks[i].environment))
            return 0;
    return 1;
}

int plan_check(struct plan *plan, const uint8_t *base, size_t size) {
    plan->base = base;
    plan->size = size;
    plan->head = (const struct sk_plan *)base;
    const struct sk_plan *head = plan->head;
    if (size <= sizeof *head || size > largest_plan || head->magic != SK_PLAN_MAGIC || head->version != SK_PLAN_VERSION) return -1;
    if (head->size != size || base[size - 1] != 0 || head->flags >= 2 * SK_PLAN_LAST_FLAG) return -1;
    if (!string_fits(plan, head->directory) || !string_fits(plan, head->hostname)) return -1;
    if (!string_fits(plan, head->upper) || !string_fits(plan, head->work)) return -1;
    if (head->programs.count == 0 || head->arguments.count == 0) return -1;
    if (!strings_fit(plan, head->programs) || !strings_fit(plan, head->arguments) || !strings_fit(plan, head->environment)) return -1;
    if (!strings_fit(plan, head->layers)) return -1;
    if (!records_fit(plan, head->groups, sizeof(uint32_t), _Alignof(uint32_t))) return -1;
    if (!records_fit(plan, head->limits, sizeof(struct sk_limit), _Alignof(struct sk_limit))) return -1;
    if (!records_fit(plan, head->seccomp, sizeof(struct sock_filter), _Alignof(struct sock_filter))) return -1;
    if (head->seccomp.count > BPF_MAXINSNS) return -1;
    return steps_fit(plan) && bundle_fits(plan) ? 0 : -1;
}

int plan_open(struct plan *plan, int fd) {
    struct stat about;
    if (fstat(fd, &about) < 0) return failed("read launch plan", NULL);
    if (about.st_size <= 0 || about.st_size > largest_plan) {
        errno = EINVAL;
        return failed("read launch plan", NULL);
    }
    size_t size = (size_t)about.st_size;
    const uint8_t *base = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (base == MAP_FAILED) return failed("map launch plan", NULL);
    if (plan_check(plan, base, size) < 0) {
        munmap((void *)base, size);
        plan->base = NULL;
        errno = EINVAL;
        return failed("read launch plan", NULL);
    }
    return 0;
}

void plan_close(struct plan *plan) {
    if (plan->base) munmap((void *)plan->base, plan->size);
    plan->base = NULL;
    plan->head = NULL;
}

void plan_strings(const struct plan *plan, struct sk_list list, const char **out) {
    const char *at = plan_string(plan, list.offset);
    for (uint32_t i = 0; i < list.count; i++) {
        out[i] = at;
        at += strlen(at) + 1;
    }
    out[list.count] = NULL;
}
