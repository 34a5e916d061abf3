#include "SkCgroup.h"
#include "SkRuntime.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST_DEVICES = 64 };

static int bpf(enum bpf_cmd command, union bpf_attr *attributes) {
  long result = syscall(SYS_bpf, command, attributes, sizeof *attributes);
  return result < 0 ? -errno : (int)result;
}

static struct bpf_insn load(uint8_t to, int16_t offset) {
  return (struct bpf_insn){.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = to, .src_reg = BPF_REG_1, .off = offset};
}

static struct bpf_insn calculate(uint8_t operation, uint8_t to, int32_t value) {
  return (struct bpf_insn){.code = (uint8_t)(BPF_ALU64 | operation | BPF_K), .dst_reg = to, .imm = value};
}

static struct bpf_insn jump(uint8_t condition, uint8_t subject, int32_t value, int16_t over) {
  return (struct bpf_insn){.code = (uint8_t)(BPF_JMP | condition | BPF_K), .dst_reg = subject, .imm = value, .off = over};
}

static struct bpf_insn leave(void) { return (struct bpf_insn){.code = BPF_JMP | BPF_EXIT}; }

// What is asked, into registers: 2 type, 3 access, 4 major, 5 minor. A filter answers 1 to allow, 0 to refuse.
static size_t read_question(struct bpf_insn *program) {
  size_t n = 0;
  program[n++] = load(BPF_REG_2, offsetof(struct bpf_cgroup_dev_ctx, access_type));
  program[n++] = (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_3, .src_reg = BPF_REG_2};
  program[n++] = calculate(BPF_AND, BPF_REG_2, 0xffff);
  program[n++] = calculate(BPF_RSH, BPF_REG_3, 16);
  program[n++] = load(BPF_REG_4, offsetof(struct bpf_cgroup_dev_ctx, major));
  program[n++] = load(BPF_REG_5, offsetof(struct bpf_cgroup_dev_ctx, minor));
  return n;
}

static size_t filter(struct bpf_insn *program, const struct sk_device *devices, size_t count) {
  size_t n = read_question(program);
  program[n++] = calculate(BPF_MOV, BPF_REG_0, 1);
  program[n++] = jump(BPF_JNE, BPF_REG_3, BPF_DEVCG_ACC_MKNOD, 1);
  program[n++] = leave();
  program[n++] = jump(BPF_JEQ, BPF_REG_2, BPF_DEVCG_DEV_CHAR, 2);
  program[n++] = calculate(BPF_MOV, BPF_REG_0, 0);
  program[n++] = leave();
  for (size_t i = 0; i < count; i++) {
    int any = devices[i].minor == UINT32_MAX;
    program[n++] = jump(BPF_JNE, BPF_REG_4, (int32_t)devices[i].major, any ? 1 : 2);
    if (!any) program[n++] = jump(BPF_JNE, BPF_REG_5, (int32_t)devices[i].minor, 1);
    program[n++] = leave();
  }
  program[n++] = calculate(BPF_MOV, BPF_REG_0, 0);
  program[n++] = leave();
  return n;
}

// Loads the filter; its descriptor, or a negative errno.
static int load_filter(const struct bpf_insn *program, size_t count) {
  union bpf_attr loading;
  memset(&loading, 0, sizeof loading);
  loading.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  loading.insn_cnt = (uint32_t)count;
  loading.insns = (uint64_t)(uintptr_t)program;
  loading.license = (uint64_t)(uintptr_t) "Apache-2.0";
  strcpy(loading.prog_name, "sidekick_dev");
  return bpf(BPF_PROG_LOAD, &loading);
}

// Beside those that the group has.
static int attach_filter(int directory, int loaded) {
  union bpf_attr attaching;
  memset(&attaching, 0, sizeof attaching);
  attaching.target_fd = (uint32_t)directory;
  attaching.attach_bpf_fd = (uint32_t)loaded;
  attaching.attach_type = BPF_CGROUP_DEVICE;
  attaching.attach_flags = BPF_F_ALLOW_MULTI;
  int result = bpf(BPF_PROG_ATTACH, &attaching);
  return result < 0 ? result : 0;
}

int sk_cgroup_allow_devices(int directory, const struct sk_device *devices, size_t count) {
  if (count > MOST_DEVICES) return -E2BIG;
  union bpf_attr query;
  memset(&query, 0, sizeof query);
  query.query.target_fd = (uint32_t)directory;
  query.query.attach_type = BPF_CGROUP_DEVICE;
  int result = bpf(BPF_PROG_QUERY, &query);
  if (result < 0) return result;
  if (query.query.prog_cnt > 0) return 0;

  struct bpf_insn program[16 + 3 * MOST_DEVICES];
  int loaded = load_filter(program, filter(program, devices, count));
  if (loaded < 0) return loaded;
  result = attach_filter(directory, loaded);
  close(loaded);
  return result;
}

// One rule: the last that matches decides, so they are laid out last first. Answers at once when it matches.
static size_t rule_filter(struct bpf_insn *program, const struct sk_device_rule *rule) {
  struct bpf_insn conditions[12];
  size_t n = 0, at = 0;
  size_t jumps[4], jump_count = 0;
  if (rule->type != 'a') {
    jumps[jump_count++] = n;
    conditions[n++] = jump(BPF_JNE, BPF_REG_2, rule->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR, 0);
  }
  if (rule->access != 7) {
    conditions[n++] = (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_6, .src_reg = BPF_REG_3};
    // A rule that allows must cover all that is asked; one that refuses needs to touch any of it.
    conditions[n++] = calculate(BPF_AND, BPF_REG_6, rule->allow ? ~rule->access & 7 : rule->access);
    jumps[jump_count++] = n;
    conditions[n++] = jump(rule->allow ? BPF_JNE : BPF_JEQ, BPF_REG_6, 0, 0);
  }
  if (rule->major != UINT32_MAX) {
    jumps[jump_count++] = n;
    conditions[n++] = jump(BPF_JNE, BPF_REG_4, (int32_t)rule->major, 0);
  }
  if (rule->minor != UINT32_MAX) {
    jumps[jump_count++] = n;
    conditions[n++] = jump(BPF_JNE, BPF_REG_5, (int32_t)rule->minor, 0);
  }
  conditions[n++] = calculate(BPF_MOV, BPF_REG_0, rule->allow ? 1 : 0);
  conditions[n++] = leave();
  for (size_t i = 0; i < jump_count; i++) conditions[jumps[i]].off = (int16_t)(n - jumps[i] - 1);
  for (; at < n; at++) program[at] = conditions[at];
  return n;
}

static size_t rules_filter(struct bpf_insn *program, const struct sk_device_rule *rules, size_t count) {
  size_t n = read_question(program);
  for (size_t i = count; i-- > 0;) {
    n += rule_filter(program + n, &rules[i]);
    // Nothing comes past a rule on everything, and the kernel takes no code that cannot be reached.
    if (rules[i].type == 'a' && rules[i].access == 7 && rules[i].major == UINT32_MAX && rules[i].minor == UINT32_MAX) return n;
  }
  program[n++] = calculate(BPF_MOV, BPF_REG_0, 0);
  program[n++] = leave();
  return n;
}

static int detach_filters(int directory) {
  uint32_t programs[64];
  union bpf_attr query;
  memset(&query, 0, sizeof query);
  query.query.target_fd = (uint32_t)directory;
  query.query.attach_type = BPF_CGROUP_DEVICE;
  query.query.prog_ids = (uint64_t)(uintptr_t)programs;
  query.query.prog_cnt = sizeof programs / sizeof *programs;
  int result = bpf(BPF_PROG_QUERY, &query);
  for (uint32_t i = 0; result >= 0 && i < query.query.prog_cnt; i++) {
    union bpf_attr opening, detaching;
    memset(&opening, 0, sizeof opening);
    opening.prog_id = programs[i];
    int program = bpf(BPF_PROG_GET_FD_BY_ID, &opening);
    if (program < 0) return program;
    memset(&detaching, 0, sizeof detaching);
    detaching.target_fd = (uint32_t)directory;
    detaching.attach_bpf_fd = (uint32_t)program;
    detaching.attach_type = BPF_CGROUP_DEVICE;
    result = bpf(BPF_PROG_DETACH, &detaching);
    close(program);
  }
  return result < 0 ? result : 0;
}

int sk_cgroup_filter_devices(int directory, const struct sk_device_rule *rules, size_t count) {
  enum { most_rules = 256 };
  static struct bpf_insn program[16 + 12 * most_rules];
  if (count > most_rules) return -E2BIG;
  int loaded = load_filter(program, rules_filter(program, rules, count));
  if (loaded < 0) return loaded;
  int result = detach_filters(directory);
  if (result == 0) result = attach_filter(directory, loaded);
  close(loaded);
  return result;
}
