"""``python -m campaign --minutes 10 --seed 7``: attacks in turn, two at a time; what they find is written as snippets."""

import argparse
import secrets
import sys
import warnings
from pathlib import Path

from campaign.campaign import Campaign
from hypothesis.errors import HypothesisWarning


def main() -> int:
    """Run a campaign; return 1 if it has found something."""
    parser = argparse.ArgumentParser(prog="campaign", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the attacks take, without preparation")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(10**6), help="draws the cases; by default a new one"
    )
    parser.add_argument("--attack", action="append", help="this attack alone; may be repeated")
    parser.add_argument("--out", type=Path, default=Path("findings"), help="the folder for snippets")
    given = parser.parse_args()
    warnings.simplefilter("ignore", HypothesisWarning)  # of cases whose files are long
    campaign = Campaign(minutes=given.minutes, seed=given.seed, only=tuple(given.attack or ()), out=given.out)
    return int(campaign.run())


if __name__ == "__main__":
    sys.exit(main())
