"""What the ledger asks of its database, in words that SQLite and PostgreSQL both know."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, select, update

from unified_api.ledger.tables import FREED, IS_HELD, SETTLED, accounts, reservations

__all__ = [
    "CHANGE_ACCOUNT",
    "END_RESERVATION",
    "FORGET",
    "FREE_ACCOUNTS",
    "LOCK_ACCOUNTS",
    "LOCK_EXPIRED",
    "LOCK_RESERVATIONS",
    "SHORTEN",
    "THESE_ACCOUNTS",
]

LOCK_RESERVATIONS = (
    select(reservations.c.id, reservations.c.state, reservations.c.amount)
    .where(reservations.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(reservations.c.id)
    .with_for_update()
)
LOCK_ACCOUNTS = (
    select(accounts.c.key, accounts.c.spent, accounts.c.held)
    .where(accounts.c.key.in_(bindparam("keys", expanding=True)))
    .order_by(accounts.c.key)  # everybody locks in the same order, so that nobody waits in a circle
    .with_for_update()
)
FREE_ACCOUNTS = (
    select(accounts.c.key)
    .where(accounts.c.key.in_(bindparam("keys", expanding=True)))
    .with_for_update(skip_locked=True)
)
THESE_ACCOUNTS = select(accounts.c.key).where(accounts.c.key.in_(bindparam("keys", expanding=True)))
LOCK_EXPIRED = (
    select(reservations.c.id, reservations.c.accounts, reservations.c.amount)
    .where(IS_HELD, reservations.c.expires <= bindparam("now"))
    .order_by(reservations.c.id)
    .with_for_update(skip_locked=True)  # what is being settled just now needs no freeing
)
CHANGE_ACCOUNT = (
    update(accounts)
    .where(accounts.c.key == bindparam("account"))
    .values(spent=accounts.c.spent + bindparam("more_spent"), held=accounts.c.held + bindparam("more_held"))
)
END_RESERVATION = (
    update(reservations).where(reservations.c.id == bindparam("reservation")).values(state=bindparam("end"))
)
SHORTEN = (
    update(reservations)
    .where(IS_HELD, reservations.c.expires > bindparam("now") + reservations.c.lease)
    .values(expires=bindparam("now") + reservations.c.lease)
)
FORGET = delete(reservations).where(
    reservations.c.state.in_((FREED, SETTLED)), reservations.c.expires < bindparam("before")
)
