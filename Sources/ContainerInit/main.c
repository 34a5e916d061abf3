#include <stdio.h>
#include <string.h>

#include "guard.h"

// `sidekick-init guard`: descriptor 3 is the engine's connection, 4 a bound socket to listen on. Started by the engine only.
int main(int count, char **arguments) {
    if (count >= 2 && strcmp(arguments[1], "guard") == 0) guard_main(3, 4);
    fprintf(stderr, "sidekick-init: started by sidekick, not by hand\n");
    return 64;
}
