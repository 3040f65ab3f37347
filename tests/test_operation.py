"""R58: what the machine does to a command - signals, limits - ends it with the promised code and words."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from test_cli import Shop, one_order_each, shop

__all__ = ["shop"]
# A query of minutes, inside the command line's own handling of signals.
LONG_QUERY = """
import sys
from segml import cli
from segml.engine.duckdb import DuckDBEngine

def long_query(options):
    from segml.engine.interrupts import signals_end_queries
    with signals_end_queries(), DuckDBEngine(threads=1) as engine:
        print("working", flush=True)
        engine.run("select count(*) from range(1000000) a, range(1000000) b where (a.range * b.range) % 7 = 3", "x")
    return 0

cli._run = long_query
sys.exit(cli.main(["data", "shop.yaml"]))
"""


@pytest.mark.parametrize(
    ("sent", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
    ids=["ctrl-c", "sigterm"],
)
def test_a_signal_ends_a_running_query(sent: int, code: int, word: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LONG_QUERY], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "working\n"
        process.send_signal(sent)
        assert process.wait(30) == code
        said = process.stderr.read()
    assert said.startswith(f"segml: {word}")
    assert "Traceback" not in said


@pytest.mark.parametrize("limit", [4_000, 200_000])
def test_a_limit_on_file_sizes_is_an_output_error(limit: int, shop: Shop) -> None:
    config = shop(one_order_each())

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-m", "segml.cli", "run", str(config), "--quiet"],
        capture_output=True,
        text=True,
        preexec_fn=limited,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 6, done.stderr
    assert "Traceback" not in done.stderr
    assert "Next step" in done.stderr
    left = [
        file
        for file in Path(config.parent, "data").rglob("*")
        if file.name.startswith((".writing", ".replaced"))
    ]
    assert left == []
