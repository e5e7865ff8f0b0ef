"""Run every benchmark and write docs/benchmarks.md: each number with the command that made it.

Takes about twenty minutes on a machine with nothing else to do. Arguments are names of scripts to run
again (all by default), or `--words` for the words alone; the other tables stay. `FASHION_MNIST` in the
environment may name a folder with the four files of Fashion-MNIST, `TABULAR_TORCH` a file of
tabular_torch.py, `DASK_ML` the Python of an environment with dask-ml.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TARGET = HERE.parent / "docs" / "benchmarks.md"
HEAD = """\
# Benchmarks

Every table is the output of the command above it, from one run on one machine. Ratios carry over to other
machines, times do not. `MISSED` marks a target that was not reached; the text below the table explains the
reason. `python benchmarks/report.py` runs all benchmarks and writes this page.
"""
NOTES = {  # script -> title, words below its table
    name: (title, words.strip())
    for name, title, words in re.findall(
        r"\n## (\w+): ([^\n]+)\n(.*?)(?=\n## |\Z)", (HERE / "notes.md").read_text(), re.DOTALL
    )
}


def section(script):
    command = [sys.executable, str(HERE / f"{script}.py")]
    folder = os.environ.get("FASHION_MNIST")
    shown = f"python benchmarks/{script}.py"
    if script == "mlp_quality" and folder:
        command += ["--fashion", folder]
        shown += " --fashion FOLDER"
    if script == "tabular":
        command += ["--splits", "3", "--seeds", "1"]
        shown += " --splits 3 --seeds 1"
        if peers := os.environ.get("TABULAR_TORCH"):
            command += ["--torch", peers]
            shown += " --torch FILE"
    if script == "large_data" and (python := os.environ.get("DASK_ML")):
        command += ["--dask_ml", python]
        shown += " --dask_ml PYTHON"
    print(f"=== {shown}", flush=True)
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    print(output, flush=True)
    return f"```sh\n{shown}\n```\n\n```text\n{output.strip()}\n```"


def write(known):
    """The page from the tables of each title, with today's words below them."""
    parts = []
    for title, words in NOTES.values():
        if title in known:
            tables = known[title].rpartition("```")[0].strip() + "\n```\n"
            parts.append(f"\n## {title}\n\n{tables}" + (words and f"\n{words}\n"))
    TARGET.write_text(HEAD + "".join(parts))


def main():
    wanted = sys.argv[1:] or [name for name in NOTES if (HERE / f"{name}.py").exists()]
    text = TARGET.read_text() if TARGET.exists() else ""
    known = dict(re.findall(r"\n## ([^\n]+)\n(.*?)(?=\n## |\Z)", text, re.DOTALL))
    for script in [] if wanted == ["--words"] else wanted:
        known[NOTES[script][0]] = section(script)
        write(known)
    write(known)


if __name__ == "__main__":
    main()
