"""`python -m stego_lib` is the command line."""

import sys

from stego_lib.cli import main

if __name__ == "__main__":
    sys.exit(main())
