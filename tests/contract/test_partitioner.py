"""A key's partition is the same for Java, aiokafka and librdkafka; the last against a broker in `integration/bus`."""

import pytest
from aiokafka.partitioner import murmur2 as murmur2_of_aiokafka
from hypothesis import given
from hypothesis import strategies as st

from bus.partitioner import murmur2, partition_of, to_positive

#: Where Kafka 4.3.1's own Java producer put these keys: of 12 partitions, of 97.
JAVA = {
    "a": (4, 49),
    "ab": (2, 36),
    "abc": (3, 77),
    "abcd": (8, 5),
    "abcde": (1, 67),
    "clarity-main:1001": (2, 66),
    "clarity-main:1002": (0, 45),
    "gp-two:SKU-77@MAIN": (4, 94),
    "x-cart:000012": (6, 67),
    "Zürich:ß-1": (8, 45),
    "клиент:7": (3, 18),
    "店:注文一": (4, 54),
    "emoji:😀": (10, 8),
    "shop:%2F1": (10, 88),
}


@pytest.mark.parametrize("key", JAVA)
def test_key_goes_where_java_puts_it(key: str) -> None:
    assert (partition_of(key, 12), partition_of(key, 97)) == JAVA[key]
    assert (partition_of(key.encode(), 12), partition_of(key.encode(), 97)) == JAVA[key]


@given(st.binary(max_size=64))
def test_murmur2_is_aiokafkas(data: bytes) -> None:
    assert to_positive(murmur2(data)) == murmur2_of_aiokafka(data) & 0x7FFFFFFF


@given(st.text(max_size=20), st.text(max_size=20))
def test_what_hangs_on_a_root_shares_its_partition(root: str, own_id: str) -> None:
    root = root.replace("/", "%2F")

    assert partition_of(f"{root}/{own_id}", 12) == partition_of(root, 12)
