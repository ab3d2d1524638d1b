"""`python -m nopo` is the command `nopo`."""

import sys

from nopo.cli import main

sys.exit(main())
