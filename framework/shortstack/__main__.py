"""Entry point of ``python -m shortstack``: the command line, for launchers that start a module."""

from shortstack.cli import main

if __name__ == "__main__":
    main()
