"""What users, keys, tags and runs have spent and hold, so that no number of concurrent calls overspends a cap."""

from __future__ import annotations

from unified_api.ledger.accounts import Account, Share, dollars, micros, month_of
from unified_api.ledger.ledger import Ledger
from unified_api.ledger.operations import Held, Reservation, Shortage

__all__ = ["Account", "Held", "Ledger", "Reservation", "Share", "Shortage", "dollars", "micros", "month_of"]
