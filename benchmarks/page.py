"""Writes docs/reference/benchmarks.md and its plots from the kept results; runs in the peers' environment.

python -m benchmarks.page
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib import pyplot

from benchmarks.telling import FILES, QUESTIONS, page

ROOT: Final = Path(__file__).resolve().parents[1]
RESULTS: Final = ROOT / "benchmarks" / "results"
FOLDER: Final = ROOT / "docs" / "reference"

Result = Mapping[str, Any]

mpl.use("svg")
#: Else the names within a plot would be others each time.
mpl.rcParams["svg.hashsalt"] = "towpath"


def main() -> None:
    """Both, from whatever results there are; the same results give the same bytes."""
    results = kept()
    (FOLDER / "benchmarks.md").write_text(page(results), encoding="utf-8")
    place = FOLDER / FILES
    place.mkdir(exist_ok=True)
    for name, result in results.items():
        plot(name, result, place / f"{name}.svg")


def kept() -> dict[str, Result]:
    """The results by question, in the page's order."""
    there = {name: RESULTS / f"{name}.json" for name in QUESTIONS}
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in there.items() if path.exists()}


def plot(name: str, result: Result, path: Path) -> None:
    """Events a second and processor time an event, side by side: medians, with lines from least to most."""
    contenders = list(result["contenders"])[::-1]
    height = 1.2 + 0.28 * len(contenders)
    figure, axes = pyplot.subplots(1, 2, figsize=(11, height), sharey=True, layout="constrained")
    for axis, figure_name, label in zip(
        axes, ("events_per_s", "cpu_us_per_event"), ("events/s", "µs of processor time an event"), strict=True
    ):
        spreads = [result["contenders"][each].get(figure_name) for each in contenders]
        medians = [each["median"] if each else 0 for each in spreads]
        lengths = [
            [each["median"] - each["min"] if each else 0 for each in spreads],
            [each["max"] - each["median"] if each else 0 for each in spreads],
        ]
        colours = ["#2a6f97" if each.startswith("ours") else "#a9b4c2" for each in contenders]
        axis.barh(contenders, medians, xerr=lengths, color=colours, ecolor="#333333", capsize=2)
        axis.set_xlabel(label)
        if min(filter(None, medians), default=1) * 100 < max(medians, default=1):
            axis.set_xscale("log")
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, format="svg", metadata={"Date": None, "Title": name})
    pyplot.close(figure)


if __name__ == "__main__":
    main()
