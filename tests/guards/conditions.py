"""Where the guards that are conditions of a statement stand, and what is written in their place when taken out."""

from typing import Final

_HEAD = "AND root_key = k.root_key ORDER BY id LIMIT 1"
_ANY = "AND root_key = k.root_key ORDER BY state = 'parked', id LIMIT 1"

#: By guard: name of the statement in `delivery/statements.py`, condition, and what stands there instead.
CONDITIONS: Final[dict[str, tuple[tuple[str, str, str], ...]]] = {
    "compare-and-swap": (("MOVE_POSITIONS", "AND p.next = m.expected", ""),),
    "epoch": (("SETTLE", "AND epoch = c.epoch AND lease_owner = %(owner)s", ""),),
    "parking": (
        ("HEADS", _HEAD, _ANY),
        ("GO_ON", "AND root_key = k.root_key AND id >= k.in_hand ORDER BY id LIMIT 1", _ANY),
        ("FREE", _HEAD, _ANY),
    ),
}
