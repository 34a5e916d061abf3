"""Opens WebSockets through the gateway: websocket_client.py PORT. Each line read is a step; see the test."""
import asyncio
import sys

import websockets

port = sys.argv[1]


async def connect():
    return await websockets.connect("ws://127.0.0.1:" + port + "/chat", host="127.0.0.1", ping_interval=None)


async def names(sockets):
    """Who answers on the sockets: each has to answer as asked."""
    found = set()
    for number, socket in enumerate(sockets):
        await socket.send("m%d" % number)
        name, text = (await asyncio.wait_for(socket.recv(), 10)).split()
        assert text == "m%d" % number
        found.add(name)
    return " ".join(sorted(found))


async def step():
    return await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def main():
    old = [await connect() for _ in range(20)]
    print("old", await names(old), flush=True)
    await step()
    new = [await connect() for _ in range(20)]
    print("old", await names(old), "new", await names(new), flush=True)
    await old[0].send("x" * 900_000)
    print("large", len(await old[0].recv()), flush=True)
    await step()
    for socket in old:
        await socket.close()
    print("closed", {socket.close_code for socket in old}, "new", await names(new), flush=True)
    for socket in new:
        await socket.close()


asyncio.run(main())
