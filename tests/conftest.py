"""Hypothesis profiles: `dev` while writing, `ci` for one fixed set of examples, `nightly` for a long search.

The environment variable HYPOTHESIS_PROFILE chooses; without it a run with CI set takes `ci`, any other `dev`.
"""

import os

from hypothesis import settings

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=300, deadline=None, derandomize=True, database=None, print_blob=True)
settings.register_profile("nightly", max_examples=20_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))
