#!/usr/bin/env python3
"""Runs one peer on a database of its own and prints what was measured.

    bench-operations-peers.py PEER drain CONNINFO COUNT SETTING
    bench-operations-peers.py PEER wake CONNINFO COUNT

PEER is awa, awa-rings (its other storage), pgqueuer or procrastinate. A drain preloads no-op jobs by the peer's bulk
path, analyses, and counts completions in the peer's tables: `rate` in jobs a second, `wal` in bytes
a job. A wake-up run enqueues single jobs for an idle worker: `p50` and `p99` in milliseconds.
"""

import asyncio
import dataclasses
import sys
import time

import psycopg


def connect(conninfo):
    return psycopg.connect(conninfo, autocommit=True)


def settle(connection):
    connection.execute("vacuum analyze")
    connection.execute("checkpoint")


def lsn(connection):
    return connection.execute("select pg_current_wal_lsn() - '0/0'::pg_lsn").fetchone()[0]


class Runs:
    """How many jobs the handlers have seen; only then are the tables asked, which costs."""

    def __init__(self):
        self.count = 0


async def watch(connection, remaining, count, started, runs):
    """Waits until nothing remains, as the tables say."""
    before = lsn(connection)
    limit = time.monotonic() + 90
    while runs.count < count or await asyncio.to_thread(remaining) > 0:
        if time.monotonic() > limit:
            sys.exit(f"{runs.count} of {count} jobs were run after 90 seconds")
        await asyncio.sleep(0.005)
    elapsed = time.monotonic() - started
    print(f"rate {count / elapsed:.0f}")
    print(f"wal {(lsn(connection) - before) / count:.0f}")


class Wakes:
    def __init__(self, count):
        self.count = count
        self.times = []

    def heard(self, sent):
        self.times.append((time.monotonic() - sent) * 1000)

    async def run(self, enqueue):
        await asyncio.sleep(2)
        for _ in range(self.count):
            await enqueue(time.monotonic())
            await asyncio.sleep(0.03)
        await asyncio.sleep(1)
        times = sorted(self.times)
        if len(times) < self.count:
            sys.exit(f"only {len(times)} of {self.count} jobs were run")
        print(f"p50 {times[len(times) // 2]:.2f}")
        print(f"p99 {times[len(times) * 99 // 100]:.2f}")


# awa-pg


@dataclasses.dataclass
class Nothing:
    sent: float


def url(conninfo):
    parts = dict(word.split("=", 1) for word in conninfo.split())
    return f"postgres:///{parts['dbname']}?host={parts['host']}&user={parts['user']}"


async def awa(mode, conninfo, count, setting, rings):
    from awa import AsyncClient

    client = AsyncClient(url(conninfo), max_connections=20)
    await client.migrate()
    if rings:
        await client.install_queue_storage()
    wakes = Wakes(count)
    runs = Runs()

    @client.task(Nothing, queue="bench")
    async def handle(job):
        runs.count += 1
        if mode == "wake":
            wakes.heard(job.args.sent)

    if mode == "wake":
        await client.start([("bench", 16)])
        await wakes.run(lambda sent: client.insert(Nothing(sent), queue="bench"))
    else:
        load = client.enqueue_many_copy if rings else client.insert_many_copy
        for first in range(0, count, 5000):
            await load([Nothing(0.0)] * min(5000, count - first), queue="bench")
        with connect(conninfo) as connection:
            settle(connection)

            def remaining():
                return sum(
                    row[0]
                    for row in connection.execute(
                        "select count(*) from awa.jobs where queue = 'bench'"
                        " and state <> 'completed'"
                    )
                )

            started = time.monotonic()
            await client.start([("bench", setting)], poll_interval_ms=50)
            await watch(connection, remaining, count, started, runs)
    await client.shutdown()


# pgqueuer


async def pgqueuer(mode, conninfo, count, setting):
    import asyncpg
    from pgqueuer import AsyncpgPoolDriver, PgQueuer, Queries

    pool = await asyncpg.create_pool(url(conninfo), min_size=4, max_size=10)
    driver = AsyncpgPoolDriver(pool)
    queries = Queries(driver)
    await queries.install()
    queuer = PgQueuer(driver)
    wakes = Wakes(count)
    runs = Runs()

    @queuer.entrypoint("bench")
    async def handle(job):
        runs.count += 1
        if mode == "wake":
            wakes.heard(float(job.payload))

    if mode == "wake":
        worker = asyncio.create_task(queuer.run(batch_size=10))
        await wakes.run(lambda sent: queries.enqueue(["bench"], [str(sent).encode()], [0]))
    else:
        for first in range(0, count, 1000):
            size = min(1000, count - first)
            await queries.enqueue(["bench"] * size, [None] * size, [0] * size)
        with connect(conninfo) as connection:
            settle(connection)

            def remaining():
                return connection.execute("select count(*) from pgqueuer").fetchone()[0]

            started = time.monotonic()
            worker = asyncio.create_task(queuer.run(batch_size=setting))
            await watch(connection, remaining, count, started, runs)
    worker.cancel()


# procrastinate


async def procrastinate(mode, conninfo, count, setting):
    from procrastinate import App, PsycopgConnector

    app = App(connector=PsycopgConnector(conninfo=conninfo, min_size=2, max_size=20))
    wakes = Wakes(count)
    runs = Runs()

    @app.task(queue="bench", name="nothing")
    async def nothing(sent):
        runs.count += 1
        if mode == "wake":
            wakes.heard(sent)

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        if mode == "wake":
            worker = asyncio.create_task(
                app.run_worker_async(queues=["bench"], concurrency=16,
                                     install_signal_handlers=False)
            )
            await wakes.run(lambda sent: nothing.defer_async(sent=sent))
        else:
            for first in range(0, count, 1000):
                size = min(1000, count - first)
                await nothing.batch_defer_async(*[{"sent": 0.0}] * size)
            with connect(conninfo) as connection:
                settle(connection)

                def remaining():
                    return connection.execute(
                        "select count(*) from procrastinate_jobs where status <> 'succeeded'"
                    ).fetchone()[0]

                started = time.monotonic()
                worker = asyncio.create_task(
                    app.run_worker_async(queues=["bench"], concurrency=setting,
                                         install_signal_handlers=False)
                )
                await watch(connection, remaining, count, started, runs)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


def main():
    peer, mode, conninfo, count = sys.argv[1:4] + [int(sys.argv[4])]
    setting = int(sys.argv[5]) if len(sys.argv) > 5 else 0
    if peer in ("awa", "awa-rings"):
        run = awa(mode, conninfo, count, setting, peer == "awa-rings")
    elif peer == "pgqueuer":
        import uvloop

        uvloop.install()
        run = pgqueuer(mode, conninfo, count, setting)
    elif peer == "procrastinate":
        run = procrastinate(mode, conninfo, count, setting)
    else:
        sys.exit(f"{peer} is not a peer")
    asyncio.run(run)


main()
