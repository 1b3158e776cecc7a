"""The flat camelCase order feed: this project's own shape, no part of Clarity; for adapters that speak it.  Pure."""

from decimal import Decimal

from sandbox.clarity import money, records


def flattened(order: records.SalesOrder) -> dict[str, object]:
    billing = order.billing_contact
    shipping = order.shipping_contact or billing
    currency = next((item.selling_currency_key for item in order.sales_items), "USD")
    return {
        "orderId": order.custom_key,
        "customerId": order.account_key or order.user_contact_email,
        "orderDate": order.original_date,
        "updatedAt": order.updated_date,
        "status": order.status_key,
        "totalAmount": order.totals.total,
        "currency": currency,
        "shippingAddress": _address(shipping),
        "billingAddress": _address(billing),
        "lineItems": [_line(item) for item in order.sales_items],
        "paymentInfo": [_payment(each.payment) for each in order.sales_order_payments],
    }


def _address(contact: records.Contact) -> dict[str, object]:
    address = contact.address
    return {
        "name": contact.full_name,
        "company": address.company,
        "street1": address.street1,
        "street2": address.street2,
        "street3": address.street3,
        "city": address.city,
        "region": address.region_code or address.region_name,
        "postalCode": address.postal_code,
        "country": address.country_code,
        "phone": contact.phone1,
    }


def _line(item: records.SalesItem) -> dict[str, object]:
    off: Decimal = sum((each.discount_total for each in item.discounts), money.ZERO)
    return {
        "sku": item.sku,
        "name": item.name,
        "quantity": item.total_quantity,
        "unitPrice": item.unit_core_price if item.unit_sold_price is None else item.unit_sold_price,
        "taxAmount": item.extended_tax_amount,
        "discountAmount": off,
    }


def _payment(payment: records.Payment) -> dict[str, object]:
    return {
        "method": payment.type_key,
        "status": payment.status_key,
        "amount": payment.amount,
        "transactionId": payment.transaction_number,
        "lastFour": payment.last4_card_digits,
    }
