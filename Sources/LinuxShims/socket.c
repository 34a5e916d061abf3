#include "SkSocket.h"

typedef int sk_socket_is_empty;
