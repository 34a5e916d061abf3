#include "SkNetlink.h"

typedef int sk_netlink_is_empty;
