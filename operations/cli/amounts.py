"""Money as people read it."""

from collections.abc import Mapping
from decimal import Decimal


def money(by_currency: Mapping[str, Decimal]) -> str:
    """Amounts by currency: `1,204.50 EUR, 88.00 USD`; empty where there are none."""
    return ", ".join(f"{amount:,.2f} {currency}" for currency, amount in sorted(by_currency.items()))


def money_of(amount: Decimal, currency: str) -> str:
    """One amount; empty where it is no money."""
    return money({currency: amount}) if currency else ""
