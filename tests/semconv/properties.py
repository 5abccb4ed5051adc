"""How property tests run: without a clock, which on a busy machine says nothing of the property."""

from hypothesis import HealthCheck, settings

untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
