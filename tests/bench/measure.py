"""Run a case in a process of its own and read its cost from the operating system."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cost:
    """What a process took: seconds, CPU seconds with its children, and peak memory in bytes."""

    wall: float
    cpu: float
    memory: int
    facts: dict[str, Any]


def run_here(case: Callable[[argparse.Namespace], dict[str, Any]], options: argparse.Namespace) -> str:
    """Run a case in this process and return its cost as JSON; the last line that `run_apart` reads."""
    began, cpu = time.perf_counter(), _cpu()
    facts = case(options)
    wall, used = time.perf_counter() - began, _cpu() - cpu
    return json.dumps({"wall": wall, "cpu": used, "memory": _peak(), "facts": facts})


def run_apart(name: str, arguments: list[str]) -> Cost:
    """Run a case in a process of its own.

    Raises
    ------
    subprocess.CalledProcessError
        The case failed; its own error was shown.
    """
    command = [sys.executable, "-m", "tests.bench", "--case", name, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=dict(os.environ))
    measured = json.loads(done.stdout.splitlines()[-1])
    return Cost(
        **{**measured, **measured["facts"].pop("step", {})}
    )  # a step that was timed apart counts alone


def _cpu() -> float:
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


def _peak() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * max(
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
