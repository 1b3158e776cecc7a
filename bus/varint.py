"""Avro's whole numbers as bytes: zigzag, seven bits a byte; what the compiled codecs call for longer ones."""

#: Lengths and small numbers as they are written most: `LENGTHS[n]` is the number n.
LENGTHS = tuple(bytes([n << 1] if n < 64 else [n << 1 & 127 | 128, n >> 6]) for n in range(8192))
_LONG = 1 << 63
#: Bytes a number may take.
_MOST = 10


def written(value: int) -> bytes:
    """A number of 64 bits.

    Raises:
        OverflowError: it has more.
        TypeError: it is no whole number.
    """
    if not -_LONG <= value < _LONG:
        raise OverflowError(f"{value} is wider than 64 bits")
    left = value << 1 if value >= 0 else ~(value << 1)
    if left < 128:
        return bytes((left,))
    if left >> 49 and not left >> 56:  # microseconds since 1970 take eight bytes
        return bytes(
            (
                left & 127 | 128,
                left >> 7 & 127 | 128,
                left >> 14 & 127 | 128,
                left >> 21 & 127 | 128,
                left >> 28 & 127 | 128,
                left >> 35 & 127 | 128,
                left >> 42 & 127 | 128,
                left >> 49,
            )
        )
    made = bytearray()
    while left > 127:
        made.append(left & 127 | 128)
        left >>= 7
    made.append(left)
    return bytes(made)


def number(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins there, its sign still in the last bit, and where the next value begins.

    Raises:
        IndexError: the bytes end in it.
        ValueError: it has more than 64 bits.
    """
    read = shift = 0
    for place in range(at, at + _MOST):
        byte = data[place]
        read |= (byte & 127) << shift
        if byte < 128:
            if read >> 64:
                break
            return read, place + 1
        shift += 7
    raise ValueError("a number is wider than 64 bits")


def length(data: bytes, at: int) -> tuple[int, int]:
    """The length that begins there, and where what it is of begins.

    Raises:
        IndexError: the bytes end in it.
        ValueError: it is negative, or wider than any.
    """
    read, at = number(data, at)
    if read & 1:
        raise ValueError("a length is negative")
    return read >> 1, at


def block(data: bytes, at: int) -> tuple[int, int]:
    """How many items of a list or a map come next, and where they begin; the size some writers add is passed over.

    Raises:
        IndexError: the bytes end in it.
        ValueError: it is wider than any.
    """
    read, at = number(data, at)
    if not read & 1:
        return read >> 1, at
    return (read >> 1) + 1, number(data, at)[1]
