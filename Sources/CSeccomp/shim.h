#pragma once
#include <seccomp.h>

// What seccomp.h only has as macros that Swift does not see.
#define SCMP_ARCH_X86_64_TOKEN 0xC000003Eu
#define SCMP_ARCH_X86_TOKEN 0x40000003u
#define SCMP_ARCH_X32_TOKEN 0x4000003Eu
#define __NR_SCMP_ERROR_VALUE (-1)
