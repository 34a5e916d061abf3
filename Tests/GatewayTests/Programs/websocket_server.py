"""A WebSocket server that answers each message with its name and the message: websocket_server.py NAME. Prints its port."""
import asyncio
import logging
import sys

import websockets


async def echo(socket):
    async for message in socket:
        await socket.send(sys.argv[1] + " " + message)


# A socket that is cut at the end of a test is no news.
logging.getLogger("websockets").setLevel(logging.CRITICAL)


async def main():
    async with websockets.serve(echo, "127.0.0.1", 0, ping_interval=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


asyncio.run(main())
