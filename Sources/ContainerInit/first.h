#pragma once

// The first process of a container's namespaces (its pid 1). `guard` is its end of the socket to the guard. Builds the root when told,
// then either becomes the program or stays as its init: reaps, forwards signals, and runs further processes. Never returns.
_Noreturn void first_main(int guard);
