"""The shared catalogue is what the simulators of both ends count on."""

from decimal import Decimal

from sandbox.clarity.catalogue import load_catalogue

CATALOGUE = load_catalogue()


def test_skus_account_keys_and_emails_are_unique() -> None:
    for values in (
        [product.sku for product in CATALOGUE.products],
        [customer.account_key for customer in CATALOGUE.customers],
        [customer.email for customer in CATALOGUE.customers],
    ):
        assert len(values) == len(set(values)) >= 60


def test_keys_fit_the_erp() -> None:
    assert all(len(product.sku) <= 30 and product.sku == product.sku.strip() for product in CATALOGUE.products)
    assert all(len(product.item_class) <= 10 for product in CATALOGUE.products)
    assert all(
        len(customer.account_key) <= 15 and customer.account_key == customer.account_key.upper()
        for customer in CATALOGUE.customers
    )


def test_people_are_invented() -> None:
    domains = {customer.email.rpartition("@")[2] for customer in CATALOGUE.customers}

    assert domains == {"example.com", "example.org", "example.net"}


def test_the_awkward_cases_are_there() -> None:
    products, customers = CATALOGUE.products, CATALOGUE.customers
    empty = [product for product in products if not any(product.stock.values())]

    assert any(product.price == Decimal(0) for product in products)
    assert {product.allow_backorder for product in empty} == {True, False}
    assert any(len(product.name) > 100 for product in products)
    assert any(len(customer.company or "") > 64 for customer in customers)
    assert any(customer.billing.street3 for customer in customers)
    assert any(not customer.known_to_erp for customer in customers)
    assert any(len(customer.shipping) > 1 for customer in customers)
    letters = "".join(customer.billing.street1 + customer.last_name for customer in customers)
    for script in ("Οδός", "Липова", "山猫町", "شارع", "'", "Ñ"):
        assert script in letters


def test_every_product_is_stocked_at_known_sites() -> None:
    sites = {site.key for site in CATALOGUE.sites}

    assert all(set(product.stock) <= sites for product in CATALOGUE.products)
