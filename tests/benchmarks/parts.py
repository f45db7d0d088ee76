"""A benchmark in parts: each is run by its name, and its result file keeps the others."""

import json
import sys
import time
from pathlib import Path

from fair import lines

RESULTS = Path(__file__).parents[2] / "book" / "results"


def write(name, parts, seeds):
    """Runs the parts that the command line names, or all, and writes each into NAME.json as it ends.

    parts: {name: a function without arguments}, in the order of the file.
    """
    out = RESULTS / f"{name}.json"
    found = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    for part in sys.argv[1:] or parts:
        start = time.monotonic()
        found[part] = parts[part]()
        print(f"{part}: {time.monotonic() - start:.0f} s", flush=True)
        ordered = {"command": f"python tests/benchmarks/{name}.py", "seeds": list(seeds)}
        ordered |= {each: found[each] for each in parts if each in found}
        out.write_text(lines(ordered), encoding="utf-8")
