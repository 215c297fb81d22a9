"""`python -m rtstyle` is the command `rtstyle`."""

from rtstyle.cli.app import main

main()
