#pragma once
// Syscalls and structures that Swift cannot see or cannot use safely. One header per subject; no policy, no parsing.
#include "SkCgroup.h"
#include "SkContainer.h"
#include "SkFiles.h"
#include "SkNetlink.h"
#include "SkPlan.h"
#include "SkProcess.h"
#include "SkRuntime.h"
#include "SkSocket.h"
