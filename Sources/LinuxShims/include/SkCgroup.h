#pragma once
// What control groups want beyond files: the device filter of cgroup v2.
#include <stddef.h>
#include <stdint.h>

/// A character device that may be read and written.
struct sk_device {
  uint32_t major;
  /// UINT32_MAX for every minor number.
  uint32_t minor;
};

/// Lets the processes of a cgroup v2 directory and below open these character devices only; making nodes is allowed for all. Does nothing
/// when the group already has a filter. Returns 0 or a negative errno.
int sk_cgroup_allow_devices(int directory, const struct sk_device *devices, size_t count);
