"""The same as `instseg serve`, from a checkout without installing it."""

import sys
from pathlib import Path

# In place of the folder of this file, in which select.py has the name of a standard module.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from instseg.cli import main

if __name__ == "__main__":  # a process that the command starts imports this file
    sys.exit(main([Path(__file__).stem, *sys.argv[1:]], prog=sys.argv[0]))
