#pragma once

// Guards one container from before it exists until it has ended. `engine` is the connection to the engine that started us, `listener`
// a bound socket on which later engines find us. Never returns.
_Noreturn void guard_main(int engine, int listener);
