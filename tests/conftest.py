"""The tests import the packages, never the folders of tests that have the packages' names."""

import sys

# An editable install is found by the last finder of all. `tests` is on the path for the sake of `corpus`, and there a
# folder `tests/workflows` would pass for the package `workflows`, so that finder goes first.
sys.meta_path.sort(key=lambda finder: getattr(finder, "__name__", "") != "RedirectingFinder")
