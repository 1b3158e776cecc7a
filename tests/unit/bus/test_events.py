"""What a topic cannot hold is refused while it can still become a dead letter."""

import pytest

from bus.events import FRAMING_BYTES, Outgoing, check_size
from errors import RejectedError
from schemas import topics


@pytest.mark.parametrize(("headers", "fits"), [(0, True), (600, False)])
def test_headers_count_with_what_frames_them(headers: int, fits: bool) -> None:
    room = topics.ORDERS.max_message_bytes - FRAMING_BYTES - len("shop:1")
    record = Outgoing(topic=topics.ORDERS, key="shop:1", value=b"x" * room, headers=[("", b"")] * headers)

    if fits:
        check_size(record)
        return
    with pytest.raises(RejectedError, match="which holds"):
        check_size(record)
