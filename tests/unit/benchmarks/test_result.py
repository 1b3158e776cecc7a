"""What becomes of the rounds of a benchmark."""

import json
from pathlib import Path

import pytest

from benchmarks.harness import result
from benchmarks.harness.result import Result, Spread, percentile, ratio, spreads, tell

FOUND = {
    "ours": [{"events_per_s": 90.0, "cpu_us_per_event": 10.0}, {"events_per_s": 50.0, "cpu_us_per_event": 20.0}],
    "floor": [{"events_per_s": 100.0, "cpu_us_per_event": 5.0}, {"events_per_s": 25.0, "cpu_us_per_event": 5.0}],
}


def test_a_figure_has_its_least_its_middle_and_its_most() -> None:
    assert spreads(FOUND)["ours"]["events_per_s"] == Spread(50.0, 70.0, 90.0)


def test_a_ratio_is_taken_within_a_round() -> None:
    assert ratio(FOUND, "ours", "floor") == pytest.approx((0.9 + 2.0) / 2)


def test_a_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.0], 99) == 7.0


@pytest.mark.parametrize(("value", "wanted", "code"), [(0.6, 0.55, 0), (0.5, 0.55, 1), (1.2, -1.5, 0), (1.6, -1.5, 1)])
def test_a_ratio_that_is_not_what_is_wanted_is_told(
    value: float, wanted: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result, "RESULTS", tmp_path)

    assert tell("transform", answer(value, wanted), kept=True) == code


def test_a_short_run_leaves_the_kept_result_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result, "RESULTS", tmp_path / "kept")
    monkeypatch.setattr(result, "PASSING", tmp_path / "passing")

    tell("transform", answer(0.6, 0.55), kept=False)

    assert not (tmp_path / "kept").exists()
    written = json.loads((tmp_path / "passing" / "transform.json").read_text())
    assert written["contenders"]["ours"]["events_per_s"] == {"min": 50.0, "median": 70.0, "max": 90.0}
    assert written["ratios"] == {"ours/floor": 0.6}


def answer(value: float, wanted: float) -> Result:
    return Result(
        environment={}, contenders=spreads(FOUND), ratios={"ours/floor": value}, wanted={"ours/floor": wanted}
    )
