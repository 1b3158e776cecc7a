"""Other names for all topics and groups: what a benchmark runs on the local stack meets nobody's real work there."""

import msgspec

from schemas import topics
from schemas.topics import Topic

PREFIX = "benchmark."


def named(name: str) -> str:
    """What a topic or a group is called apart."""
    return PREFIX + name


def rename_topics() -> None:
    """In this process. Before anything else is imported: routes and workers hold the topics they found."""
    apart = {topic.name: msgspec.structs.replace(topic, name=named(topic.name)) for topic in topics.TOPICS}
    for name, value in list(vars(topics).items()):
        if isinstance(value, Topic):
            setattr(topics, name, apart[value.name])
    for listed in ("TOPICS", "OF_STORES"):
        setattr(topics, listed, tuple(apart[each.name] for each in getattr(topics, listed)))
