"""The server of the `websockets` library with the smallest handler: what it is told, it says."""

import asyncio
import os

from websockets.asyncio.server import serve


async def echo(connection):
    async for message in connection:
        if message == "leave":
            await connection.close(4242, "as you wish")
        else:
            await connection.send(message)


async def main():
    async with serve(echo, "127.0.0.1", int(os.environ["PORT"])) as server:
        await server.serve_forever()


asyncio.run(main())
