#include "SkProcess.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

int sk_die_with_parent(int signal) { return prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0); }

int sk_pipe(int descriptors[2]) { return pipe2(descriptors, O_CLOEXEC); }
