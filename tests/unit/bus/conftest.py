"""Property tests do not fail because the machine is busy."""

from hypothesis import HealthCheck, settings

settings.register_profile("bus", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("bus")
