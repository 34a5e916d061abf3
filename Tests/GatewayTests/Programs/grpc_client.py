"""A gRPC client: grpc_client.py PORT kinds | grpc_client.py PORT rollout. Prints a line per fact that the test looks at."""
import queue
import sys
import threading
import time

import grpc

port, mode = sys.argv[1], sys.argv[2]
options = [("grpc.default_authority", "a"), ("grpc.max_receive_message_length", 64 << 20)]


def connect():
    return grpc.insecure_channel("127.0.0.1:" + port, options=options)


def kinds():
    channel = connect()
    unary = channel.unary_unary("/t.T/Unary")
    answer, call = unary.with_call(b"hello", timeout=10)
    print("unary", answer.decode(), dict(call.trailing_metadata()).get("x-served-by"), call.code().name)
    large = bytes(5 << 20)
    print("large", len(unary(large, timeout=30)))
    numbers = [int(n) for n in channel.unary_stream("/t.T/CountDown")(b"2000", timeout=30)]
    print("server stream", len(numbers), numbers[0], numbers[-1])
    print("client stream", channel.stream_unary("/t.T/Total")(iter([bytes(1000)] * 1000), timeout=30).decode())
    # Each message is sent only when the answer to the one before is here.
    sent = queue.Queue()
    answers = channel.stream_stream("/t.T/Converse")(iter(sent.get, None), timeout=30)
    for number in range(100):
        sent.put(b"%d" % number)
        assert next(answers).endswith(b" %d" % number)
    sent.put(None)
    print("both streams", len(list(answers)), answers.code().name)
    for method, expected in [("Fail", "FAILED_PRECONDITION"), ("Missing", "UNIMPLEMENTED")]:
        try:
            channel.unary_unary("/t.T/" + method)(b"", timeout=10)
            print(method, "did not fail")
        except grpc.RpcError as error:
            print(method, error.code().name, error.details(), dict(error.trailing_metadata()).get("x-reason"))
    try:
        channel.unary_unary("/t.T/Slow")(b"", timeout=0.3)
    except grpc.RpcError as error:
        print("deadline", error.code().name)
    print("cancelled", channel.unary_unary("/t.T/WasCancelled")(b"", timeout=10).decode())
    other = grpc.insecure_channel("127.0.0.1:" + port, options=[("grpc.default_authority", "nowhere")])
    try:
        other.unary_unary("/t.T/Unary")(b"", timeout=10)
    except grpc.RpcError as error:
        print("no route", error.code().name)


def rollout():
    """Calls of every kind until a line comes in; then what failed, and who answered."""
    stop = threading.Event()
    lock = threading.Lock()
    done, failed, servers = [0], [], set()

    def calls(body):
        channel = connect()
        while not stop.is_set():
            try:
                answers = body(channel)
                with lock:
                    done[0] += 1
                    servers.update(answers)
            except grpc.RpcError as error:
                with lock:
                    failed.append("%s %s" % (error.code().name, error.details()))

    def one(channel):
        return [channel.unary_unary("/t.T/Unary")(b"x", timeout=10).split()[0].decode()]

    def talk(channel):
        """A conversation of a second or so: it stays with the server it began with."""
        sent = queue.Queue()
        answers = channel.stream_stream("/t.T/Converse")(iter(sent.get, None), timeout=20)
        names = set()
        for number in range(20):
            sent.put(b"%d" % number)
            names.add(next(answers).split()[0].decode())
            time.sleep(0.05)
        sent.put(None)
        for _ in answers:
            pass
        if len(names) != 1:
            failed.append("one conversation with " + " and ".join(sorted(names)))
        return names

    def upload(channel):
        channel.stream_unary("/t.T/Total")(iter([bytes(1000)] * 200), timeout=20)
        return []

    threads = [threading.Thread(target=calls, args=(body,)) for body in [one, one, one, talk, talk, talk, upload]]
    for thread in threads:
        thread.start()
    print("begun", flush=True)
    sys.stdin.readline()
    stop.set()
    for thread in threads:
        thread.join()
    print("calls", done[0])
    print("failed", len(failed), *sorted(set(failed)))
    print("servers", *sorted(servers))


{"kinds": kinds, "rollout": rollout}[mode]()
