"""Settings of every test: how long Hypothesis searches, and that Ctrl-C arrives."""

import os
import signal

from hypothesis import settings

# Keras needs a backend before its first import; JAX is there for other tests anyway.
os.environ.setdefault("KERAS_BACKEND", "jax")

# A shell starts what it runs in the background with interrupts ignored, and so would
# each process be that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: shared machines are slow at times, and a slow example is no failure.
# On CI the same examples at every run, so that a change is judged by what it changed.
settings.register_profile("fast", deadline=None, derandomize="CI" in os.environ)
settings.register_profile("soak", deadline=None, max_examples=20_000)
settings.load_profile(os.environ.get("STEPSIZE_HYPOTHESIS_PROFILE", "fast"))
