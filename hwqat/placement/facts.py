"""What stands in front of a call, and what behind it."""

from __future__ import annotations

from hwqat.tracing import Call

PRODUCTS = ("conv", "linear")


class Facts:
    """by_name: the calls. users: those that read each.

    depth: how many convolutions and linear layers stand on the longest way from the input to each, itself included.
    """

    def __init__(self, calls: list[Call]) -> None:
        self.by_name = {call.name: call for call in calls}
        self.users: dict[str, list[Call]] = {call.name: [] for call in calls}
        self.depth: dict[str, int] = {}
        for call in calls:
            for name in call.inputs:
                self.users[name].append(call)
            before = max((self.depth[name] for name in call.inputs), default=0)
            self.depth[call.name] = before + (call.kind in PRODUCTS)

    def is_first(self, call: Call) -> bool:
        return self.depth[call.name] == 1

    def is_last(self, call: Call) -> bool:
        """Whether no further product stands between it and an output."""
        return all(user.kind not in PRODUCTS and self.is_last(user) for user in self.users[call.name])

    def feeds_last(self, call: Call) -> bool:
        """Whether a last layer reads the integers of this call, moved or pooled by maximum at most."""
        return any(
            self.is_last(user)
            if user.kind in PRODUCTS
            else user.kind in ("flatten", "max", "clip") and self.feeds_last(user)
            for user in self.users[call.name]
        )

    def is_used_once(self, call: Call) -> bool:
        """Whether no other call has its module."""
        return sum(other.module is call.module for other in self.by_name.values()) == 1
