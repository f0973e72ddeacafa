"""Both consumers on a real Kafka (KAFKA_BROKERS): an aborted transaction, a trade that is published twice, reverts, a restart.

KAFKA_LIBS is the folder with Kafka's own jars, by default that of `cargo xtask servers`. Run: `pytest wit/log/consumers`.
"""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

HERE = Path(__file__).parent
BROKERS = os.environ.get("KAFKA_BROKERS", "")
LIBS = os.environ.get("KAFKA_LIBS", str(HERE.parents[2] / "target/kafka/libs"))
GOLDEN = json.loads((HERE.parent.parent / "wire/golden/trade-executed-v1.json").read_text())
TOPICS = ["trades.executed.v1", "trades.history.v1"]

pytestmark = pytest.mark.skipif(not BROKERS, reason="KAFKA_BROKERS names no Kafka")


def trade(number: int, trader: str, usd: str | None, status: str = "observed", kind: str = "swap") -> bytes:
    changed = {"tradeId": f"mock/b/{number}/0", "chain": "mock", "status": status, "kind": kind}
    valuation = {"notionalUsd": usd, "source": "stable-leg"} if usd else None
    return json.dumps({**GOLDEN, **changed, "trader": {"address": trader, "evidence": "x"}, "valuation": valuation}).encode()


class Tape:
    """Topics under a prefix of their own, and a producer that writes in transactions."""

    def __init__(self) -> None:
        self.prefix = f"consumers-{uuid.uuid4().hex[:8]}."
        admin = AdminClient({"bootstrap.servers": BROKERS})
        created = admin.create_topics([NewTopic(self.prefix + topic, 3, 1) for topic in TOPICS])
        for made in created.values():
            made.result()
        self.producer = Producer({"bootstrap.servers": BROKERS, "transactional.id": self.prefix})
        self.producer.init_transactions()

    def write(self, values: list[bytes], topic: str = TOPICS[0], abort: bool = False) -> None:
        self.producer.begin_transaction()
        for value in values:
            trader = json.loads(value)["trader"]["address"]
            self.producer.produce(self.prefix + topic, value, key=f"mock/{trader}".encode())
        if abort:
            self.producer.flush()
            self.producer.abort_transaction()
        else:
            self.producer.commit_transaction()


def told_by(command: list[str]) -> dict[str, str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_reverts_repetitions_and_aborted_transactions_are_counted_right(tmp_path: Path) -> None:
    tape = Tape()

    def in_python() -> dict[str, str]:
        return told_by([sys.executable, str(HERE / "volume.py"), BROKERS, str(tmp_path / "volume.db"), tape.prefix, "--once"])

    def in_java() -> dict[str, str]:
        return told_by(["java", "-cp", f"{LIBS}/*", str(HERE / "Volume.java"), BROKERS, tape.prefix])

    tape.write([trade(1, "ann", "10.5"), trade(2, "ann", "4"), trade(3, "bob", "7")])
    tape.write([trade(9, "ann", "1000")], abort=True)
    tape.write([trade(1, "ann", "10.5", "finalized"), trade(4, "bob", None), trade(5, "bob", "99", kind="cycle")])
    tape.write([trade(6, "ann", "0.25")], topic=TOPICS[1])
    first = {"mock/ann": "14.75", "mock/bob": "7"}
    assert in_python() == first and in_java() == first
    tape.write([trade(2, "ann", "4", "reverted"), trade(2, "ann", "4", "reverted"), trade(3, "bob", "7", "reverted")])
    tape.write([trade(3, "bob", "7")])
    second = {"mock/ann": "10.75", "mock/bob": "7"}
    assert in_python() == second, "it goes on where it was"
    assert in_python() == second and in_java() == second
