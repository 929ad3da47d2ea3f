"""Tables: columns, constraints, indexes, and who may do what with each.

Owns: the shape of what is stored. Does not own: arithmetic, decisions, transactions.
Every table but `provider` and `app_user` belongs to a tenant: it has `provider_id`, a primary key that begins with
it, composite
foreign keys, and a policy (migrations/rules.py). Importing this package registers all tables on `Base.metadata`.
"""

from models import (  # noqa: F401  (importing registers the tables)
    access,
    accounts,
    agents,
    billing,
    catalog,
    coupons,
    credit_notes,
    dunning,
    indexes,
    ledger,
    offers,
    outbox,
    payments,
    places,
    providers,
    simulations,
    spending,
    subscription_parts,
    subscriptions,
    taxes,
    usage,
    version_migrations,
)
from models.base import Base

__all__ = ["Base"]
