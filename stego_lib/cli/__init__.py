"""The command line: `stego-lib hide | reveal | capacity`, and `train | evaluate | bench` and others for measuring."""

from stego_lib.cli.main import main

__all__ = ["main"]
