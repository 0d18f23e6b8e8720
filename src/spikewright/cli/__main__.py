"""`python -m spikewright.cli`, for where the script is not on the path."""

import sys

from spikewright.cli import main

if __name__ == "__main__":
    sys.exit(main())
