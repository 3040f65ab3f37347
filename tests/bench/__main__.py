"""``python -m tests.bench [name ...]``: measure, and show each group's ratios to its first case."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from .btyd import compare
from .cases import CASES, prepare
from .measure import Cost, run_apart, run_here

SLOW = ("large", "btyd-large", "btyd-summary")  # many minutes, or ten times the base: by name only
TOLD = (
    "built",
    "files",
    "file rows",
    "lists s",
    "exports s",
    "measured",
    "lists",
)  # facts shown under the table
SHOP = ("features", "cutoffs", "large", "scoring")  # groups that read the large shop


def main() -> None:
    """Run the groups that are named, or all but the large one."""
    options, console = _options(), Console()
    console.width = max(console.width, 100)
    every = {case.__name__: case for cases in CASES.values() for case in cases}
    if options.case:
        print(run_here({**every, "prepare": prepare}[options.case], options))
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(options.names)) or [name for name in CASES if name not in SLOW]
    arguments = _passed_on(options) + _needs(names)
    if set(names) - {"start", "segments", "money"}:
        with console.status("making the base (once)"):
            run_apart("prepare", arguments)
    for name in names:
        costs: dict[str, list[Cost]] = {}
        for repeat in range(options.repeat):
            for case in CASES[name]:
                with console.status(f"{case.__name__} {repeat + 1}/{options.repeat}"):
                    costs.setdefault(case.__name__, []).append(run_apart(case.__name__, arguments))
        console.print(_table(name, costs))
        for case, measured in costs.items():
            told = {key: value for key, value in measured[0].facts.items() if key in TOLD}
            for part, (share, speed) in measured[0].facts.get("shares", {}).items():
                console.print(f"{case}: {part} {share:.0%}, {speed:,.0f} customers a second")
            if told:
                console.print(f"{case}: {', '.join(f'{key} {value:,}' for key, value in told.items())}")
        if name.startswith("btyd"):
            found = {case: measured[0].facts for case, measured in costs.items()}
            for line in compare(found, options.folder):
                console.print(line, soft_wrap=True, highlight=False)


def _needs(names: list[str]) -> list[str]:
    """Return the flags that tell `prepare` what the named groups read."""
    needs = {
        "large": "large" in names,
        "scoring": "scoring" in names,
        "shop": bool({*SHOP} & {*names}),
        "btyd": any(name.startswith("btyd") for name in names),
        "lists": "lists" in names,
        "measure": "measure" in names,
        "btyd-large": bool({"btyd-large", "btyd-summary"} & {*names}),
    }
    return [f"--{flag}" for flag, needed in needs.items() if needed]


def _table(name: str, costs: dict[str, list[Cost]]) -> Table:
    """Show the fastest of the repeats; ratios are to the first case."""
    table = Table(title=f"{name} (x: against the first row)", box=box.SIMPLE)
    for column in ("case", "wall s", "CPU s", "peak GB", "wall x", "CPU x", "GB x", "rows"):
        table.add_column(column, justify="left" if column == "case" else "right", no_wrap=True)
    best = {case: _best(measured) for case, measured in costs.items()}
    base = next(iter(best.values()))
    for case, cost in best.items():
        if "unavailable" in cost.facts:
            table.add_row(case, "not run")
            continue
        ratios = (cost.wall / base.wall, cost.cpu / base.cpu, cost.memory / base.memory)
        table.add_row(
            case,
            f"{cost.wall:.2f}",
            f"{cost.cpu:.2f}",
            f"{cost.memory / 1e9:.2f}",
            *(f"{ratio:.2f}" for ratio in ratios),
            f"{cost.facts['rows']:,}" if "rows" in cost.facts else "",
        )
    return table


def _best(measured: list[Cost]) -> Cost:
    return Cost(
        min(cost.wall for cost in measured),
        min(cost.cpu for cost in measured),
        max(cost.memory for cost in measured),
        measured[0].facts,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *CASES], metavar="name", help=", ".join(CASES))
    parser.add_argument("--customers", type=int, default=1_000_000, help="size of the base (10 lines each)")
    parser.add_argument("--score-customers", type=int, default=1_000_000, help="customers to score")
    parser.add_argument("--memory", default="2GB", help="memory of segml's engine")
    parser.add_argument("--threads", type=int, default=2, help="threads of segml's engine")
    parser.add_argument("--spill-gb", type=int, default=20, help="temporary files of segml's engine")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each case; the fastest is shown")
    parser.add_argument("--folder", type=Path, default=Path("data/bench"), help="where the base is kept")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    for flag in ("--large", "--scoring", "--shop", "--btyd", "--btyd-large", "--lists", "--measure"):
        parser.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _passed_on(options: argparse.Namespace) -> list[str]:
    named = ("customers", "memory", "threads", "spill_gb", "folder", "score_customers")
    return [f"--{name.replace('_', '-')}={getattr(options, name)}" for name in named]


if __name__ == "__main__":
    main()
