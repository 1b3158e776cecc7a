"""What happens in a demonstration, order by order: who buys, what he changes, what GP's user makes of it. Pure."""

import random
from collections.abc import Iterator
from enum import StrEnum

import msgspec


class Story(StrEnum):
    """What the customer does, and what the network does to him."""

    PLAIN = "plain"
    #: Changes the order while GP has it and nobody has begun to pick.
    EDITS = "edits"
    #: Takes it back in the moment after buying, most often before GP knows of it.
    CANCELS_AT_ONCE = "cancels_at_once"
    #: Takes it back when GP has a document for it.
    CANCELS_LATER = "cancels_later"
    #: Changes the order after a part of it has left: too late.
    EDITS_TOO_LATE = "edits_too_late"
    #: Buys what the store sells and GP has never heard of.
    UNKNOWN_SKU = "unknown_sku"
    #: A guest; GP has no customer for him.
    NEVER_SEEN = "never_seen"
    WEBHOOK_TWICE = "webhook_twice"
    WEBHOOK_NEVER = "webhook_never"


class Fate(StrEnum):
    """What GP's user does with the document."""

    SHIP = "ship"
    PART = "part"
    PART_THEN_REST = "part_then_rest"
    VOID = "void"
    LEAVE = "leave"


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One customer's order from basket to doorstep."""

    number: int
    #: Fills the basket, the same way every time.
    seed: int
    story: Story
    fate: Fate


#: Of a hundred orders; each that is above zero happens at least once.
CUSTOMERS = {Story.EDITS: 3, Story.CANCELS_AT_ONCE: 1, Story.CANCELS_LATER: 2}
TROUBLES = {
    Story.EDITS_TOO_LATE: 1,
    Story.UNKNOWN_SKU: 1,
    Story.NEVER_SEEN: 2,
    Story.WEBHOOK_TWICE: 1,
    Story.WEBHOOK_NEVER: 1,
}
FATES = {Fate.SHIP: 50, Fate.PART_THEN_REST: 10, Fate.PART: 6, Fate.VOID: 4, Fate.LEAVE: 30}
#: What GP's user does with the orders of stories; with plain ones he does what the dice say.
FATE_OF = {
    Story.EDITS: Fate.SHIP,
    Story.NEVER_SEEN: Fate.SHIP,
    Story.WEBHOOK_TWICE: Fate.SHIP,
    Story.WEBHOOK_NEVER: Fate.SHIP,
    Story.CANCELS_AT_ONCE: Fate.LEAVE,
    Story.CANCELS_LATER: Fate.LEAVE,
    Story.UNKNOWN_SKU: Fate.LEAVE,
    Story.EDITS_TOO_LATE: Fate.PART,
}
#: Below this not every story happens.
FEWEST = 12


def plan(
    orders: int, seed: int, shares: dict[Story, int], fates_of_plain: dict[Fate, int] | None = None
) -> tuple[Visit, ...]:
    """The visits of a run: the same for the same seed, stories spread over the first three quarters.

    Args:
        orders: How many.
        seed: Of all chance in it.
        shares: Of a hundred orders, the stories that are not plain.
        fates_of_plain: Of a hundred plain orders, what GP's user does; a demonstration's where left out.
    """
    dice = random.Random(seed)  # noqa: S311  which customer does what is no secret
    stories = list(_stories(orders, shares))
    places = sorted(dice.sample(range(max(len(stories), orders * 3 // 4)), k=len(stories)))
    dice.shuffle(stories)
    at = dict(zip(places, stories, strict=True))
    fates = iter(_fates(orders - len(stories), dice, fates_of_plain or FATES))
    return tuple(
        Visit(
            number=number,
            seed=seed * 1_000_003 + number,
            story=(story := at.get(number, Story.PLAIN)),
            fate=FATE_OF[story] if story in FATE_OF else next(fates),
        )
        for number in range(orders)
    )


def _stories(orders: int, shares: dict[Story, int]) -> Iterator[Story]:
    """As many of each as its share asks for, one at least, none where the run is too short for all."""
    counts = {story: max(1, round(orders * share / 100)) for story, share in shares.items()}
    if sum(counts.values()) > orders:
        counts = {}
    for story, count in counts.items():
        yield from [story] * count


def _fates(orders: int, dice: random.Random, shares: dict[Fate, int]) -> list[Fate]:
    """Shares as exact as whole orders allow, so that short runs have all of them too."""
    usual = max(shares, key=lambda fate: shares[fate])
    rare = {fate: max(1, round(orders * share / 100)) for fate, share in shares.items() if fate is not usual}
    fates: list[Fate] = [fate for fate, count in rare.items() for _ in range(count)]
    fates += [usual] * (orders - len(fates))
    dice.shuffle(fates)
    return fates[:orders]
