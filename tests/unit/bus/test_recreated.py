"""Which topics are others than they were."""

from bus.recreated import made_anew


def test_topic_of_another_id_was_made_anew() -> None:
    assert made_anew({"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}) == ["b"]


def test_topic_that_is_away_may_come_back() -> None:
    assert made_anew({"a": "1"}, {}) == []
