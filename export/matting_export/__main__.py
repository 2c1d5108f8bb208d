"""Run `matting export`."""

import sys

from matting_export.main import main

sys.exit(main())
