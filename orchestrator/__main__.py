"""`python -m orchestrator` is the command `orchestrate`."""

import sys

from orchestrator.cli import main

sys.exit(main())
