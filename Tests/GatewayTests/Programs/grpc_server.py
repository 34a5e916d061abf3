"""A gRPC server without generated code: grpc_server.py NAME. Prints its port; ends on TERM when its calls have ended."""
import signal
import sys
import threading
import time
from concurrent import futures

import grpc

name = sys.argv[1].encode()
cancelled = threading.Semaphore(0)


def unary(request, context):
    context.set_trailing_metadata((("x-served-by", name.decode()),))
    return name + b" " + request


def fail(request, context):
    context.set_trailing_metadata((("x-reason", "because"),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now: ü")


def slow(request, context):
    context.add_callback(cancelled.release)
    for _ in range(200):
        if not context.is_active():
            return b""
        time.sleep(0.05)
    return b"late"


def was_cancelled(request, context):
    return b"yes" if cancelled.acquire(timeout=5) else b"no"


def count_down(request, context):
    for number in range(int(request), 0, -1):
        yield b"%d" % number


def total(requests, context):
    return b"%d" % sum(len(request) for request in requests)


def converse(requests, context):
    for request in requests:
        yield name + b" " + request


class Calls(grpc.GenericRpcHandler):
    def service(self, details):
        return {
            "/t.T/Unary": grpc.unary_unary_rpc_method_handler(unary),
            "/t.T/Fail": grpc.unary_unary_rpc_method_handler(fail),
            "/t.T/Slow": grpc.unary_unary_rpc_method_handler(slow),
            "/t.T/WasCancelled": grpc.unary_unary_rpc_method_handler(was_cancelled),
            "/t.T/CountDown": grpc.unary_stream_rpc_method_handler(count_down),
            "/t.T/Total": grpc.stream_unary_rpc_method_handler(total),
            "/t.T/Converse": grpc.stream_stream_rpc_method_handler(converse),
        }.get(details.method)


server = grpc.server(futures.ThreadPoolExecutor(64), options=[("grpc.max_receive_message_length", 64 << 20)])
server.add_generic_rpc_handlers((Calls(),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
stop = threading.Event()
# Whoever started this may have it blocked.
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
signal.signal(signal.SIGTERM, lambda *_: stop.set())
print(port, flush=True)
stop.wait()
server.stop(10).wait()
