"""What a target would be sent, as an operator may read it."""

import msgspec
import pytest

from delivery.rendered import MOST_CHARACTERS, rendered


@pytest.mark.parametrize("encode", [msgspec.json.encode, msgspec.msgpack.encode])
def test_secrets_are_masked_whatever_the_encoding(encode: object) -> None:
    body = {"number": "1001", "Password": "hunter2", "lines": [{"sku": "A", "apiKey": "k", "token": ""}]}

    told = rendered(encode(body))  # type: ignore[operator]  # two functions of one shape

    assert told == '{"number":"1001","Password":"***","lines":[{"sku":"A","apiKey":"***","token":""}]}'


def test_long_ones_are_cut_and_strange_ones_measured() -> None:
    assert len(rendered(msgspec.json.encode("x" * MOST_CHARACTERS))) == MOST_CHARACTERS
    assert rendered(b"\xc1\xc1") == "2 bytes"
