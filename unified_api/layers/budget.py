"""The budget layer: what a call may cost at worst is held on every account of its caller, and settled after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from types import TracebackType
from typing import Any

from unified_api.bill import bill_of
from unified_api.call import AnyCall, Call, Handler, StreamHandler
from unified_api.clock import Clock
from unified_api.errors import BudgetExceededError, GatewayError, LedgerError, UnknownPriceError
from unified_api.estimates import Worst, shortened, used
from unified_api.ledger import Account, Ledger, Reservation, Share, Shortage, dollars, micros, month_of
from unified_api.ledger.accounts import Short
from unified_api.models import Model, Selection
from unified_api.settings import BudgetSettings
from unified_api.settings.budgets import AccountKind
from unified_api.types import Attempt, Caller, Chunk, Request, Usage
from unified_api.unbounded import why_unbounded

__all__ = ["Budget"]

_SLACK_S = 60.0
"""By which a lease outlives its call's deadline, so that no call loses its room while it runs."""
_LONGEST_S = 30 * 86_400.0
"""A lease of a call without a deadline."""
_MOST_CALLERS = 4_096
"""Whose accounts are remembered."""
_KEYS = {
    "user": "[budgets.users] or per_user_month_usd",
    "key": "[budgets.keys] or per_key_month_usd",
    "tag": "[budgets.tags] or per_tag_month_usd",
    "run": "per_run_usd",
}


class Budget:
    """Lets through only what all caps of its caller have room for. A call without a cap costs nothing here."""

    def __init__(
        self,
        settings: BudgetSettings,
        ledger: Ledger,
        *,
        select: Callable[[AnyCall], tuple[Selection, Worst | None]],
        price: Callable[[Model, str, Usage], Decimal | None],
        clock: Clock,
        wall: Callable[[], float],
    ) -> None:
        """Keep the caps of `settings`.

        Args:
            settings: the caps.
            ledger: what was spent so far.
            select: who of known price will serve a call, and the most that it may cost; None where there is nobody.
            price: what a model takes for some usage.
            clock: what deadlines go by.
            wall: seconds since 1970, which tell the month.

        """
        self._settings = settings
        self._ledger = ledger
        self._select = select
        self._price = price
        self._clock = clock
        self._wall = wall
        self._found: dict[tuple[Caller, str], tuple[Share, ...]] = {}

    async def whole(self, call: AnyCall, proceed: Handler) -> Any:
        async with _Paid(self, call) as paid:
            return await proceed(paid)

    @asynccontextmanager
    async def stream(self, call: Call[Request], proceed: StreamHandler) -> AsyncIterator[AsyncIterator[Chunk]]:
        async with _Paid(self, call) as paid, proceed(paid) as chunks:
            yield chunks

    async def reserve(self, call: AnyCall) -> tuple[AnyCall, Room | None]:
        """The call as its budget has room for, and that room; None where it needs none.

        Raises:
            UnknownPriceError: nobody knows what it may cost.
            BudgetExceededError: there is no room.
            LedgerError: the caps cannot be checked.

        """
        shares = self._shares(call.policy.caller)
        try:
            return await self._reserve(call, shares) if shares else (call, None)
        except GatewayError as error:
            error.attempts = error.attempts or call.trail.story
            raise

    async def settle(self, call: AnyCall, reservation: Reservation, records: list[Attempt]) -> None:
        """What the tries of the call have cost is spent, and the rest given back."""
        await self._ledger.settle(reservation, self._spent(call, records, reservation.each))

    def _shares(self, caller: Caller) -> tuple[Share, ...]:
        """The accounts that pay, with their caps. What has no cap has no account."""
        month = month_of(self._wall())
        shares = self._found.get((caller, month))
        if shares is None:
            if len(self._found) >= _MOST_CALLERS:
                self._found.clear()
            shares = self._found[caller, month] = tuple(self._each_share(caller, month))
        return shares

    def _each_share(self, caller: Caller, month: str) -> Iterator[Share]:
        named: list[tuple[AccountKind, str | None]] = [("user", caller.user), ("key", caller.key), ("run", caller.run)]
        named += [("tag", tag) for tag in sorted(caller.tags)]
        for kind, name in named:
            cap = self._settings.cap(kind, name, tenant=caller.tenant) if name else None
            if name and cap is not None:
                account = Account(kind, name, caller.tenant, "" if kind == "run" else month)
                yield Share(account, int(cap * 1_000_000))

    async def reserve_more(self, call: AnyCall, room: Room) -> Reservation | None:
        """Room for one more try at once, where there is any."""
        each, now = micros(room.worst.each), self._clock.now()
        try:
            return await self._ledger.reserve(room.shares, each, tries=1, lease_s=self._lease_s(call), until=now)
        except LedgerError as error:  # what the try before met is the better thing to tell
            call.trail.noted("budget", "no_room", error.message)
        except Shortage as shortage:
            words = f"{shortage.short.share.account} has no room for another try, which may cost {_money(each)}"
            call.trail.noted("budget", "no_room", words)
        return None

    async def _reserve(self, call: AnyCall, shares: tuple[Share, ...]) -> tuple[AnyCall, Room | None]:
        """The call, its answer kept short enough if need be, and the room for it; None for one that costs nothing."""
        call, worst = self._estimated(call)
        if worst is None:
            raise _unknown(call, shares[0].account)
        if not worst.each:
            return call, None
        while True:
            try:
                return await self._held(call, shares, worst)
            except Shortage as shortage:
                shorter = self._shorter(call, shortage.short, worst)
                if shorter is None:
                    raise _exceeded(shortage.short, worst.total) from None
                call, worst = shorter  # which says how long it may be, so that this is done once

    def _estimated(self, call: AnyCall) -> tuple[AnyCall, Worst | None]:
        """The call with those who will serve it, so that no other selection is made for it, and what it may cost."""
        selection, worst = self._select(call)
        return replace(call, selection=selection), worst

    async def _held(self, call: AnyCall, shares: tuple[Share, ...], worst: Worst) -> tuple[AnyCall, Room]:
        policy, now = call.policy, self._clock.now()
        most = policy.max_attempts if policy.max_billable is None else min(policy.max_attempts, policy.max_billable)
        # A call that another one waits for may not wait for the room that the other one holds.
        waits = self._settings.wait_s if call.purpose == "answer" else 0.0
        reservation = await self._ledger.reserve(
            shares,
            micros(worst.total),
            tries=max(most // worst.together, 1),
            lease_s=self._lease_s(call),
            until=min(call.deadline, now + waits),
            deadline=call.deadline,
        )
        paid = reservation.tries * worst.together
        further = max(most - paid, 0)
        return replace(call, policy=replace(policy, max_billable=paid)), Room(reservation, shares, worst, further)

    def _lease_s(self, call: AnyCall) -> float:
        return min(max(self._settings.lease_s, call.deadline - self._clock.now() + _SLACK_S), _LONGEST_S)

    def _shorter(self, call: AnyCall, short: Short, worst: Worst) -> tuple[AnyCall, Worst] | None:
        """The call with the longest answer that there is room for, where its caller has not said how long it may be."""
        if not short.final:
            return None
        room = dollars(short.share.cap - short.spent)

        def of(request: Request) -> Worst | None:
            return self._estimated(replace(call, request=request))[1]

        request, cost = shortened(call.request, worst, room=room, of=of)
        if request is call.request or cost is None:
            return None
        words = f"the budget has room for an answer of {request.max_tokens} tokens"
        call.trail.noted("budget", "shortened", words)
        return self._estimated(replace(call, request=request))[0], cost

    def _spent(self, call: AnyCall, records: list[Attempt], each: int) -> int:
        """What the tries have cost: what is known, and of the rest an estimate that is not above what was held."""
        bill = bill_of(records)
        guesses = [micros(one) for one in bill.guessed] + [self._estimate(call, one, each) for one in bill.unknown]
        return micros(bill.known) + sum(min(one, each) for one in guesses)

    def _estimate(self, call: AnyCall, attempt: Attempt, worst: int) -> int:
        selection = call.trail.selection
        candidates = selection.candidates if selection is not None else ()
        asked = [model for model in candidates if model.id == attempt.model] or candidates
        given, seconds = attempt.received, attempt.seconds
        usages = [used(call.request, model, received=given, seconds=seconds) for model in asked]
        costs = [self._price(model, "", usage) for model, usage in zip(asked, usages, strict=True)]
        known = [micros(cost) for cost in costs if cost is not None]
        return max(known) if known and len(known) == len(costs) else worst


@dataclass(slots=True)
class Room:
    """What is held for a call."""

    held: Reservation | None
    shares: tuple[Share, ...]
    worst: Worst
    further: int
    """Tries that the call may make besides, where there is room for them when it comes to that."""


class _Paid:
    """A call while it is made: room for it is held, and settled at its end, however that comes."""

    def __init__(self, budget: Budget, call: AnyCall) -> None:
        self._budget = budget
        self._call = call
        self._room: Room | None = None
        self._before = len(call.trail.records)

    async def __aenter__(self) -> AnyCall:
        self._call, self._room = await self._budget.reserve(self._call)
        return self._call if self._room is None else replace(self._call, more=self._has_more)

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._room is not None:
            await self._settle(self._room)

    async def _has_more(self) -> bool:
        """Whether there is room for one more try, once those that failed are charged by their estimates."""
        room = self._room
        if room is None or not room.further:
            return False
        await self._settle(room)
        room.further -= 1
        room.held = await self._budget.reserve_more(self._call, room)
        return room.held is not None

    async def _settle(self, room: Room) -> None:
        held, room.held = room.held, None
        records = self._call.trail.records[self._before :]
        self._before += len(records)
        if held is not None:
            await self._budget.settle(self._call, held, records)


def _unknown(call: AnyCall, account: Account) -> UnknownPriceError:
    candidates = () if call.selection is None else call.selection.candidates
    why = next((why for one in candidates if (why := why_unbounded(call.request, one)) is not None), None)
    if why is not None:
        return UnknownPriceError(f"the budget of {account} cannot be kept: {why}")
    names = ", ".join(repr(one.id) for one in candidates[:5]) + (" and others" if len(candidates) > 5 else "")
    return UnknownPriceError(
        f"nobody knows what {names} may cost, so the budget of {account} cannot be kept; choose models with known"
        " prices, or state `prices` in their provider's table"
    )


def _exceeded(short: Short, worst: Decimal) -> BudgetExceededError:
    account, cap = short.share.account, short.share.cap
    left = max(cap - short.spent, 0)
    said = (
        f"the call may cost up to {_money(micros(worst))}, but {account} has {_money(left)} of its budget of"
        f" {_money(cap)} left ({_money(short.spent)} spent, {_money(short.held)} held by calls under way)"
    )
    if not short.final:
        return BudgetExceededError(f"{said}; ask again when those have ended, lower max_tokens or ask fewer at a time")
    when = ", wait for the next month" if account.month else ""
    return BudgetExceededError(
        f"{said}; lower max_tokens, choose a cheaper model{when} or raise {_KEYS[account.kind]} in [budgets]"
    )


def _money(amount: int) -> str:
    return f"${dollars(amount).normalize():f}"
