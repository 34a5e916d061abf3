#pragma once

// Makes one container, or one further process of one, for the OCI runtime at the other end of the socket, and becomes its program. Two
// processes run this: a helper on the host, which opens what the container needs, joins and clones the namespaces and ends; and the
// container's first process, a child of the runtime's, which nothing guards once the runtime has gone. Never returns.
_Noreturn void bundle_main(int runtime);
