"""The page of metrics tells the catalogue: every name with its labels and meaning."""

import re
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from bus import metrics

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "watch-with-prometheus.md"


def rows() -> list[str]:
    """As they stand in the page; a counter's sample has `_total` behind its name."""
    found = []
    for each in metrics.CATALOGUE:
        (told,) = each.describe()
        name = f"{told.name}_total" if told.type == "counter" else told.name
        labels = ", ".join(each._labelnames)
        found.append(f"| `{name}` | {told.type} | {labels} | {told.documentation} |")
    return found


def test_every_metric_stands_in_the_page() -> None:
    _, _, listing = PAGE.read_text(encoding="utf-8").partition("## Every metric")
    listed = [line for line in listing.splitlines() if line.startswith("| `")]

    assert listed == rows()


def test_every_rule_speaks_of_metrics_there_are() -> None:
    rules, _, listing = PAGE.read_text(encoding="utf-8").partition("## Every metric")

    assert {name for name in re.findall(r"towpath_\w+", rules) if f"`{name}`" not in listing} == set()


def test_every_metric_stands_in_the_catalogue() -> None:
    made = [each for each in vars(metrics).values() if isinstance(each, MetricWrapperBase)]

    assert made == list(metrics.CATALOGUE)
