#include "SkContainer.h"

typedef int sk_container_is_empty;
