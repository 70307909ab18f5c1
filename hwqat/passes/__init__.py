"""Pure functions from Graph to Plan; `hwqat.passes.plan.make_plan` has their order."""

from .plan import DEVICES, Plan, Target, make_plan

__all__ = ["DEVICES", "Plan", "Target", "make_plan"]
