"""A postal address, both as given and in components; part of orders and customers."""

import msgspec


class Address(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where goods or papers go."""

    #: Person the address is for.
    name: str = ""
    company: str = ""
    #: Street lines as given, one to three of them usual.
    lines: tuple[str, ...] = ()
    city: str = ""
    #: State, province or region, as the source writes it.
    region: str = ""
    postal_code: str = ""
    #: ISO 3166-1 alpha-2, upper case.
    country: str = ""
    phone: str = ""
    email: str = ""
