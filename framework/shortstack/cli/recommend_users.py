"""``shortstack recommend --users``: recommendations for all users of a file."""

from pathlib import Path

from shortstack.cli.options import echo, say
from shortstack.progress import Progress


def recommend_users(
    student: Path,
    users: Path,
    out: Path,
    *,
    top: int,
    exclude_seen: bool | None,
    skip_unknown: bool,
    titles: bool,
    processes: int | None,
    device: str,
    progress: Progress,
    ray: str | None,
) -> None:
    """Write the recommendations, and say how many there are."""
    from shortstack.batch.recommend_users import UserBatch

    batch = UserBatch(
        folder=student,
        users=users,
        top=top,
        exclude_seen=exclude_seen,
        skip_unknown=skip_unknown,
        titles=titles,
        processes=processes,
        device=device,
        ray=ray,
    )
    facts = batch.execute(out, progress)
    if facts["without"]:
        say(f"{facts['without']:,} users have no known item: their lists are empty")
    echo(f"{out}: recommendations for {facts['users']:,} users")
