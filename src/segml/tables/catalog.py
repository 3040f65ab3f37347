"""Every canonical table and column, in one place.

A source maps its own columns to these names; whatever is not listed here is never read. Only `orders` (or
`order_lines`, from which orders are derived) is mandatory; `customers` may be derived from the orders.
"""

from __future__ import annotations

from segml.tables.schema import Column, Table

_CUSTOMER = Column("customer_id", "text", "the person, as the company knows them", required=True)
CHANNELS = ("email", "sms", "post", "push")
PURPOSES = ("marketing", "profiling", "ads_sharing")
EMAIL_EVENTS = (
    "sent",
    "delivered",
    "open",
    "machine_open",
    "click",
    "response",
    "unsubscribe",
    "complaint",
    "bounce",
    "hard_bounce",
    "soft_bounce",
)
# What takes a permission away. A bounce of unknown kind counts as a hard one until something arrives after it.
REFUSALS = ("unsubscribe", "complaint")
BOUNCES = ("bounce", "hard_bounce")
ARRIVALS = ("delivered", "open", "click", "response")

CUSTOMERS = Table(
    "customers",
    "one row a person",
    (
        _CUSTOMER,
        Column("joined_at", "time", "when the person became known"),
        Column("birth_date", "date", "date of birth"),
        Column("age_band", "text", "age group, as the company has it"),
        Column("gender", "text", "gender, opt-in"),
        Column("marital_status", "text", "marital status, opt-in"),
        Column("occupation", "text", "occupation, opt-in"),
        Column("income_band", "text", "income group"),
        Column("home_ownership", "text", "owner or renter"),
        Column("household_size", "text", "people in the household"),
        Column("household_composition", "text", "who lives in the household"),
        Column("children", "text", "number of children"),
        Column("language", "text", "ISO 639-1 language"),
        Column("country", "text", "country"),
        Column("region", "text", "region or state"),
        Column("city", "text", "home city", personal=True),
        Column("postcode", "text", "postcode", personal=True),
        Column("first_name", "text", "first name", personal=True),
        Column("last_name", "text", "last name", personal=True),
        Column("email", "text", "e-mail address", personal=True),
        Column("phone", "text", "phone number", personal=True),
        Column("card", "text", "loyalty or payment card, or what stands for it", personal=True),
        Column("source", "text", "first touch: where the person came from"),
    ),
    key=("customer_id",),
)

ORDERS = Table(
    "orders",
    "one row an order (basket, invoice)",
    (
        Column("order_id", "text", "the order", required=True),
        _CUSTOMER,
        Column("ordered_at", "time", "when it was placed", unit="seconds", required=True),
        Column("amount", "money", "paid, after discounts", required=True, minimum=0),
        Column("discount", "money", "price reductions given", minimum=0),
        Column("coupon", "money", "reductions by coupon", minimum=0),
        Column("store_id", "text", "store or site"),
        Column("channel", "text", "web, store, app"),
    ),
    key=("order_id",),
    mandatory=True,
    time_column="ordered_at",
)

ORDER_LINES = Table(
    "order_lines",
    "one row a product in an order",
    (
        Column("order_id", "text", "the order", required=True),
        Column("customer_id", "text", "the person; may be left to `orders`"),
        Column("ordered_at", "time", "when it was placed; may be left to `orders`", unit="seconds"),
        Column("product_id", "text", "the product", required=True),
        Column("category", "text", "product category; may be left to `products`"),
        Column("quantity", "number", "units", unit="units"),
        Column("amount", "money", "paid for the line, after discounts", minimum=0),
        Column("unit_price", "money", "price of one unit; with quantity, in place of amount", minimum=0),
        Column("discount", "money", "price reductions given", minimum=0),
        Column("coupon", "money", "reductions by coupon", minimum=0),
        Column("store_id", "text", "store or site"),
    ),
    key=(),
    time_column="ordered_at",
)

RETURNS = Table(
    "returns",
    "one row a returned product or cancelled order",
    (
        _CUSTOMER,
        Column("returned_at", "time", "when it came back", unit="seconds", required=True),
        Column("order_id", "text", "the order it belongs to"),
        Column("product_id", "text", "the product"),
        Column("amount", "money", "refunded, as a positive number", required=True, minimum=0),
    ),
    key=(),
    time_column="returned_at",
)

EMAIL_EVENTS_TABLE = Table(
    "email_events",
    "one row a contact or a reaction to one, by any channel",
    (
        _CUSTOMER,
        Column("occurred_at", "time", "when", unit="seconds", required=True),
        Column("event", "text", "what happened", required=True, allowed=EMAIL_EVENTS),
        Column("campaign_id", "text", "the campaign"),
        Column("channel", "text", "by which channel", allowed=CHANNELS),
    ),
    key=(),
    time_column="occurred_at",
)

WEB_EVENTS = Table(
    "web_events",
    "one row a visit, search or cart event",
    (
        _CUSTOMER,
        Column("occurred_at", "time", "when", unit="seconds", required=True),
        Column("event", "text", "visit, search, view, cart_add, cart_remove, checkout", required=True),
        Column("product_id", "text", "the product"),
        Column("category", "text", "the category"),
        Column("query", "text", "what was searched"),
        Column("source", "text", "where the visit came from (utm_source)"),
    ),
    key=(),
    time_column="occurred_at",
)

CONSENTS = Table(
    "consents",
    "one row a change of consent; the state at a cutoff is the last event before it",
    (
        _CUSTOMER,
        Column("changed_at", "time", "when", unit="seconds", required=True),
        Column("channel", "text", "for which channel; blank for purposes without one", allowed=CHANNELS),
        Column("purpose", "text", "for what", required=True, allowed=PURPOSES),
        Column("granted", "flag", "given (true) or withdrawn (false)", required=True),
        Column("confirmed", "flag", "confirmed by a second step (double opt-in)"),
    ),
    key=(),
    time_column="changed_at",
)

LOYALTY_LEDGER = Table(
    "loyalty_ledger",
    "one row a movement of points",
    (
        _CUSTOMER,
        Column("occurred_at", "time", "when", unit="seconds", required=True),
        Column("points", "integer", "earned (positive) or spent (negative)", unit="points", required=True),
        Column("expires_at", "time", "when earned points lapse", unit="seconds"),
    ),
    key=(),
    time_column="occurred_at",
)

COUPONS = Table(
    "coupons",
    "one row a coupon (or booklet of them) given to a person",
    (
        Column("coupon_id", "text", "the coupon, or the campaign whose booklet it is", required=True),
        _CUSTOMER,
        Column("issued_at", "time", "when it was given", unit="seconds", required=True),
        Column("expires_at", "time", "when it ends", unit="seconds"),
        Column("redeemed_at", "time", "when it was used first", unit="seconds"),
    ),
    key=("coupon_id", "customer_id", "issued_at"),
    time_column="issued_at",
)

SUPPORT_TICKETS = Table(
    "support_tickets",
    "one row a contact with customer service",
    (
        Column("ticket_id", "text", "the ticket", required=True),
        _CUSTOMER,
        Column("opened_at", "time", "when opened", unit="seconds", required=True),
        Column("closed_at", "time", "when closed", unit="seconds"),
        Column("kind", "text", "complaint, question, praise", allowed=("complaint", "question", "praise")),
    ),
    key=("ticket_id",),
    time_column="opened_at",
)

SURVEYS = Table(
    "surveys",
    "one row an answer to a survey item",
    (
        _CUSTOMER,
        Column("answered_at", "time", "when", unit="seconds", required=True),
        Column("item", "text", "the item", required=True),
        Column("answer", "number", "the answer on its ordinal scale"),
    ),
    key=("customer_id", "item", "answered_at"),
    time_column="answered_at",
)

CAMPAIGNS = Table(
    "campaigns",
    "one row a campaign of the past",
    (
        Column("campaign_id", "text", "the campaign", required=True),
        Column("kind", "text", "its type"),
        Column("starts_at", "time", "first day", unit="seconds", required=True),
        Column("ends_at", "time", "last day", unit="seconds"),
    ),
    key=("campaign_id",),
    time_column="starts_at",
)

PRODUCTS = Table(
    "products",
    "one row a product",
    (
        Column("product_id", "text", "the product", required=True),
        Column("category", "text", "product category", required=True),
        Column("name", "text", "what it is called"),
        Column("brand", "text", "brand or label"),
    ),
    key=("product_id",),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        CUSTOMERS,
        ORDERS,
        ORDER_LINES,
        RETURNS,
        EMAIL_EVENTS_TABLE,
        WEB_EVENTS,
        CONSENTS,
        LOYALTY_LEDGER,
        COUPONS,
        SUPPORT_TICKETS,
        SURVEYS,
        CAMPAIGNS,
        PRODUCTS,
    )
}
