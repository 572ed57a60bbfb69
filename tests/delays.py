"""A proxy before a server, by way of which each answer comes later: as from a far place."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

_PIECE = 2**16


@dataclass
class Far:
    """Where the proxy listens, and how many pieces of requests it has passed on."""

    port: int
    requests: int = 0


@contextlib.contextmanager
def delayed(port: int, seconds: float) -> Iterator[Far]:
    """Pass on what is said to a port of this machine, and each answer so much later."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    far = Far(port=0)

    async def serve() -> None:
        server = await asyncio.start_server(lambda *peer: _join(far, port, seconds, *peer), "127.0.0.1", 0)
        far.port = server.sockets[0].getsockname()[1]
        ready.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.create_task(serve())  # noqa: RUF006 - the loop holds it until it ends
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=run, name="far server")
    thread.start()
    try:
        assert ready.wait(60)
        yield far
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


async def _join(
    far: Far, port: int, seconds: float, asked: asyncio.StreamReader, answered: asyncio.StreamWriter
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(OSError, asyncio.CancelledError):  # at the end, all are cancelled
        await asyncio.gather(_ask(far, asked, writer), _answer(reader, answered, seconds))
    for one in (writer, answered):
        one.close()


async def _ask(far: Far, asked: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
    while piece := await asked.read(_PIECE):
        far.requests += 1
        server.write(piece)
        await server.drain()
    server.close()


async def _answer(server: asyncio.StreamReader, answered: asyncio.StreamWriter, seconds: float) -> None:
    """Pass on each piece when it is time, in its order: many may be on their way at once."""
    loop = asyncio.get_running_loop()
    coming: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def send() -> None:
        while True:
            when, piece = await coming.get()
            await asyncio.sleep(when - loop.time())
            if not piece:
                answered.close()
                return
            answered.write(piece)
            await answered.drain()

    sending = loop.create_task(send())
    while piece := await server.read(_PIECE):
        coming.put_nowait((loop.time() + seconds, piece))
    coming.put_nowait((loop.time() + seconds, b""))
    await sending
