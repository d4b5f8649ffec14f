"""More connections than the limit: those within it go on, the others are refused and closed."""

import asyncio
import subprocess
import sys

import uvicorn
from uvicorn.server import ServerState

from shortstack.serving.connections import timed_connections

MOST = 3
REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def application(scope, receive, send):
    """It answers ``yes``."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
    await send({"type": "http.response.body", "body": b"yes"})


async def listening():
    """A server, and its port."""
    config = uvicorn.Config(application, lifespan="off", log_config=None)
    config.load()
    protocol, state = timed_connections(20.0, MOST), ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: protocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    return server, server.sockets[0].getsockname()[1]


async def connected(port, count):
    """Connections, each accepted before the next."""
    made = []
    for _ in range(count):
        made.append(await asyncio.open_connection("127.0.0.1", port))
        await asyncio.sleep(0.02)
    return made


async def closed(connections):
    """Close them, and let the server see it."""
    for _, writer in connections:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in connections), return_exceptions=True)
    await asyncio.sleep(0.05)


async def answer(connection):
    """What comes within a while."""
    reader, _ = connection
    return await asyncio.wait_for(reader.read(400), 10)


def test_those_within_the_limit_are_answered_while_others_are_refused():
    """Before, a single one too many had all of them refused."""

    async def asked():
        server, port = await listening()
        async with server:
            connections = await connected(port, MOST + 2)
            for _, writer in connections:
                writer.write(REQUEST)
            first = [await answer(one) for one in connections]
            ends = [await answer(one) for one in connections[MOST:]]
            connections[0][1].close()
            await asyncio.sleep(0.1)
            (later,) = await connected(port, 1)
            later[1].write(REQUEST)
            last = await answer(later)
            await closed([*connections, later])
            return first, ends, last

    first, ends, later = asyncio.run(asked())
    assert [b"200 OK"] * MOST == [one[9:15] for one in first[:MOST]]
    for refused in first[MOST:]:
        assert refused.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert refused.endswith(b"connection: close\r\n\r\nToo many connections")
        assert b"retry-after: 1\r\n" in refused
    assert [b"", b""] == ends
    assert later.startswith(b"HTTP/1.1 200 OK")


def test_refused_connections_do_not_stay():
    """They are closed after a second though they send nothing; of very many, most at once."""

    async def idle():
        server, port = await listening()
        async with server:
            connections = await connected(port, MOST + 1)
            refused = connections[-1]
            assert b"503" in await answer(refused)
            silent = await answer(refused)
            many = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", port) for _ in range(90)))
            got = await asyncio.gather(*(answer(one) for one in many), return_exceptions=True)
            connections[0][1].write(REQUEST)
            within = await answer(connections[0])
            await closed([*connections, *many])
            return silent, sum(isinstance(one, bytes) and b"503" in one for one in got), within

    silent, answered, within = asyncio.run(idle())
    assert b"" == silent
    assert 50 == answered
    assert within.startswith(b"HTTP/1.1 200 OK")


def test_files_that_a_process_may_have():
    """More than it began with, and never more than it may."""
    code = """
import resource
from shortstack.posix import allow_files
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300))
seen = []
for count in (50, 200, 900):
    allow_files(count)
    seen.append(resource.getrlimit(resource.RLIMIT_NOFILE))
print(seen)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "[(100, 300), (200, 300), (300, 300)]" == done.stdout.strip()
