"""The volume of every user, from Kafka, exact under reorgs and restarts: `python volume.py BROKERS volume.db [--once]`.

What makes it right: `read_committed`, so that nothing of an aborted transaction is counted; a trade is kept by its name, so that one
that is published again (first observed, later final) counts once; a revert removes it; and offsets are stored with the trades, in one
transaction of the database, so that a restart neither repeats nor skips. Needs `pip install confluent-kafka`.
"""

import json
import sqlite3
import sys
from decimal import Decimal

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

TOPICS = ["trades.executed.v1", "trades.history.v1"]
TABLES = """
CREATE TABLE IF NOT EXISTS trades (id TEXT, trader TEXT, chain TEXT, usd TEXT, PRIMARY KEY (id, trader));
CREATE TABLE IF NOT EXISTS offsets (topic TEXT, partition INTEGER, next INTEGER, PRIMARY KEY (topic, partition));
"""


def main(brokers: str, path: str, once: bool, prefix: str = "") -> None:
    """Reads every partition from where the database is; with `once`, up to the end that there is now."""
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript(TABLES)
    consumer = Consumer({
        "bootstrap.servers": brokers,
        "group.id": "volume",  # asked for by the library; no offset is committed to it
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",  # records that are gone are never passed over in silence
    })
    known = {(topic, partition): next for topic, partition, next in database.execute("SELECT * FROM offsets")}
    partitions = []
    for topic in (prefix + name for name in TOPICS):
        for partition in consumer.list_topics(topic, timeout=10).topics[topic].partitions:
            partitions.append(TopicPartition(topic, partition, known.get((topic, partition), OFFSET_BEGINNING)))
    consumer.assign(partitions)
    at_end: set[tuple[str, int]] = set()
    while not (once and len(at_end) == len(partitions)):
        records = consumer.consume(1_000, timeout=1.0)
        database.execute("BEGIN")
        for record in records:
            place = (record.topic(), record.partition())
            if record.error():
                if record.error().name() != "_PARTITION_EOF":
                    raise SystemExit(f"cannot read {place[0]}/{place[1]}: {record.error()}")
                at_end.add(place)
                continue
            apply(database, json.loads(record.value()))
            database.execute("INSERT OR REPLACE INTO offsets VALUES (?, ?, ?)", (*place, record.offset() + 1))
        database.execute("COMMIT")
    volumes: dict[str, Decimal] = {}
    for chain, trader, usd in database.execute("SELECT chain, trader, usd FROM trades"):
        volumes[f"{chain}/{trader}"] = volumes.get(f"{chain}/{trader}", Decimal()) + Decimal(usd)
    print(json.dumps({user: f"{volume:f}" for user, volume in sorted(volumes.items())}))


def apply(database: sqlite3.Connection, trade: dict) -> None:
    """Adds a trade, or takes it back. Both may come twice."""
    name = (trade["tradeId"], trade["trader"]["address"])
    if trade["status"] == "reverted":
        database.execute("DELETE FROM trades WHERE id = ? AND trader = ?", name)
    elif trade["kind"] == "swap":
        usd = (trade.get("valuation") or {}).get("notionalUsd", "0")
        database.execute("INSERT OR REPLACE INTO trades VALUES (?, ?, ?, ?)", (*name, trade["chain"], usd))


if __name__ == "__main__":
    arguments = [one for one in sys.argv[1:] if one != "--once"]
    main(arguments[0], arguments[1], "--once" in sys.argv, *arguments[2:])
