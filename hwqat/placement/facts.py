"""What stands in front of a call, and what behind it."""

from __future__ import annotations

from hwqat.tracing.calls import Call
from hwqat.tracing.table import kind_of


def _reads_few_bits(user: Call) -> bool:
    return kind_of(user).multiplies or kind_of(user).narrows


class Facts:
    """by_name: the calls. users: those that read each.

    depth: how many convolutions and linear layers stand on the longest way from the input to each, itself included.
    """

    def __init__(self, calls: tuple[Call, ...]) -> None:
        self.by_name = {call.name: call for call in calls}
        self.users: dict[str, list[Call]] = {call.name: [] for call in calls}
        self.depth: dict[str, int] = {}
        for call in calls:
            for name in call.inputs:
                self.users[name].append(call)
            before = max((self.depth[name] for name in call.inputs), default=0)
            self.depth[call.name] = before + kind_of(call).multiplies
        self._last: set[str] = set()  # no further product stands between these and an output
        self._feeds_last: set[str] = set()  # a last layer reads these, moved at most
        for call in reversed(calls):
            users = self.users[call.name]
            if all(not _reads_few_bits(user) and user.name in self._last for user in users):
                self._last.add(call.name)
            if any(self._leads_to_last(user) for user in users):
                self._feeds_last.add(call.name)

    def _leads_to_last(self, user: Call) -> bool:
        kind = kind_of(user)
        return user.name in self._last if kind.multiplies else kind.moves and user.name in self._feeds_last

    def is_first(self, call: Call) -> bool:
        return self.depth[call.name] == 1

    def is_last(self, call: Call) -> bool:
        """Whether no further product stands between it and an output."""
        return call.name in self._last

    def feeds_last(self, call: Call) -> bool:
        """Whether a last layer reads the integers of this call, moved or pooled by maximum at most."""
        return call.name in self._feeds_last

    def is_tabulated(self, call: Call) -> bool:
        """Whether tables alone read what this call makes."""
        users = self.users[call.name]
        return bool(users) and all(kind_of(user).tabulates for user in users)

    def is_added(self, call: Call) -> bool:
        """Whether a residual addition reads what this call makes."""
        return any(kind_of(user).adds for user in self.users[call.name])
