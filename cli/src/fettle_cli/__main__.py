"""`python -m fettle_cli`: the same as `fettle`."""

from fettle_cli.main import main

main()
