"""Lets `import workflows` in a test mean the package and not the folder `tests/workflows`."""

from __future__ import annotations

import signal
import sys

import hypothesis

# An editable install finds the packages by an import hook that stands last; `tests` is on the path for the modules
# that tests share, so its folders, named like the packages, would be taken for them first. An ordinary install has
# no such hook, and there the packages win without help.
sys.meta_path.sort(key=lambda finder: getattr(finder, "__module__", "") != "editables.redirector")

# A busy machine is slow, and that is no failure of the code; the whole test's timeout still holds.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")

# A shell has its background jobs ignore the interrupt, and their children inherit that: the tests that send one to a
# child would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
