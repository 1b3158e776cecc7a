"""Names GP compares without case and trailing blanks, in the one form both who waits and who brings write them."""


def item_name(number: str) -> str:
    """Of an item: `item:SKU-77`."""
    return f"item:{number.strip().upper()}"
