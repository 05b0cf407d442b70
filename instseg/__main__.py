"""`python -m instseg`, the same as `instseg`."""

import sys

from instseg.cli import main

if __name__ == "__main__":  # a process that the command starts imports this file
    sys.exit(main())
