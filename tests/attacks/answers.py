"""The law of attacked files: a result, or one line of our own that names the file; whatever else is raised accuses us."""

import shutil
import traceback

from shortstack.errors import NonFiniteError, ShortstackError


def accusation(work, folder):
    """Return what is wrong with an answer to damaged files in a folder; empty if it is a result, or an error that names it.

    Numbers that are not finite are found where the folder is no longer known.
    """
    try:
        work(folder)
    except ShortstackError as error:
        message = " ".join((str(error), *getattr(error, "__notes__", ())))
        return "" if str(folder) in message or isinstance(error, NonFiniteError) else f"no file is named: {message}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error!s:.100} ({place.filename}:{place.lineno})"
    return ""


def accusations(folder, name, mutations, works, space):
    """Apply each mutation to a file of a fresh copy of a folder, and collect what is wrong with the answers.

    Args:
        folder: The sound folder, which stays as it is.
        name: The file's path in it.
        mutations: Of ``attacks.mutations``.
        works: Functions of the copy.
        space: An empty folder for copies.
    """
    found = []
    for number, mutation in enumerate(mutations):
        for work in works:
            copy = shutil.copytree(folder, space / f"{number}-{work.__name__}" / folder.name)
            mutation.apply(copy / name)
            wrong = accusation(work, copy)
            if wrong:
                found.append(f"{name}, {mutation}, {work.__name__}: {wrong}")
            shutil.rmtree(copy.parent)
    return found
