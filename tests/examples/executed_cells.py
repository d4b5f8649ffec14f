"""A notebook's code cells, executed in order in one namespace: python executed_cells.py NOTEBOOK OUT.

Writes a JSON list: what each cell displays at its end, by MIME type, or null if it ends without an expression.
"""

import ast
import json
import sys
from pathlib import Path


def main(notebook, out):
    """Execute every cell, and write the displays."""
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    names = {"__name__": "__main__"}
    displays = [displayed("".join(cell["source"]), names) for cell in cells if cell["cell_type"] == "code"]
    Path(out).write_text(json.dumps(displays), encoding="utf-8")


def displayed(code, names):
    """Execute a cell, and return the display of its last expression, or None without one."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), names)  # noqa: S102 -- our own notebook
    if last is None:
        return None
    value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)  # noqa: S307 -- our own notebook
    html = {"text/html": value._repr_html_()} if hasattr(value, "_repr_html_") else {}
    return {"text/plain": repr(value), **html}


if __name__ == "__main__":
    main(*sys.argv[1:])
