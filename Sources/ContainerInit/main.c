#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle.h"
#include "guard.h"

// `sidekick-init guard`: descriptor 3 is the engine's connection, 4 a bound socket to listen on. Started by the engine only.
// `sidekick-init bundle N`: descriptor N is the OCI runtime's connection. Started by the runtime only.
int main(int count, char **arguments) {
    if (count >= 2 && strcmp(arguments[1], "guard") == 0) guard_main(3, 4);
    if (count == 3 && strcmp(arguments[1], "bundle") == 0) bundle_main(atoi(arguments[2]));
    fprintf(stderr, "sidekick-init: started by sidekick, not by hand\n");
    return 64;
}
