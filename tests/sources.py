"""Files as adapters find them, and what they make of them in a form to compare."""

import bz2
import gzip
import json

from shortstack.registry import Registry

REGISTRY = Registry.from_environment()
DAY = 86_400_000


def build(name, **settings):
    """Build an adapter by name, as a run does."""
    return REGISTRY.build("dataset", name, settings)


def put(folder, **files):
    """Write files into a folder; what a name's ending says is done to its bytes."""
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        packed = {".gz": gzip.compress, ".bz2": bz2.compress}
        ending = next((ending for ending in packed if name.endswith(ending)), None)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packed[ending](data) if ending else data)
    return folder


def jsons(*objects):
    """Return objects as JSON lines."""
    return "".join(json.dumps(item) + "\n" for item in objects)


def rows(records):
    """Return user, item, rating and day of each row."""
    table = records.interactions.collect()
    return [
        (u, i, r, None if t is None else t / DAY)
        for u, i, r, t in table.select("user", "item", "rating", "timestamp").rows()
    ]


def items(records):
    """Return title and category by item."""
    return {i: (t, c) for i, t, c in records.items.select("item", "title", "category").collect().rows()}
