"""What a store holds before anybody does anything: the records its catalogue is shown as; pure."""

from sandbox.clarity import money, orders, records
from sandbox.clarity.catalogue import CatalogueCustomer, CatalogueProduct


def first_product(number: int, product: CatalogueProduct, moment: str) -> records.Product:
    """An item of the catalogue, as the API shows it."""
    return records.Product(
        id=number,
        custom_key=product.sku,
        active=True,
        created_date=moment,
        updated_date=moment,
        name=product.name,
        description=product.description,
        unit_of_measure=product.uom,
        weight=product.weight,
        price_base=money.price(product.price, "USD"),
        is_taxable=product.taxable,
        tax_code=product.tax_code,
        allow_back_order=product.allow_backorder,
        category_key=product.category,
        type_key="General",
    )


def blank_product(number: int, sku: str) -> records.Product:
    """An item somebody names for the first time, before anything is said of it."""
    return records.Product(
        id=number,
        custom_key=sku,
        active=True,
        created_date="",
        updated_date="",
        name="",
        unit_of_measure="EACH",
        weight=money.ZERO,
        price_base=money.ZERO,
        is_taxable=True,
        allow_back_order=True,
        category_key="General",
        type_key="General",
    )


def first_account(number: int, customer: CatalogueCustomer, moment: str) -> records.Account:
    """A customer of the catalogue, with its address book, as the API shows it."""
    person = orders.Buyer(
        account=None,
        first_name=customer.first_name,
        last_name=customer.last_name,
        email=customer.email,
        phone=customer.phone,
        billing=customer.billing,
        shipping=None,
    )
    return records.Account(
        id=number,
        custom_key=customer.account_key,
        active=True,
        created_date=moment,
        updated_date=moment,
        name=customer.company or f"{customer.first_name} {customer.last_name}",
        user_name=customer.email,
        contact=orders.contact(number * 10, customer.billing, person, customer.email),
        addresses=[
            orders.contact(number * 10 + place, address, person, None)
            for place, address in enumerate(customer.shipping, start=1)
        ],
    )
