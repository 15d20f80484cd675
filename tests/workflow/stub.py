"""Stands in for every module that a rule runs: writes the files the rule expects and notes that it ran."""

import json
import os
import sys
from pathlib import Path

CLIP_TABLES = ("manifest.tsv", "cross.tsv", "refused.tsv")
LIMIT = 1  # a number the tests change

here = Path(__file__)
arguments = sys.argv[1:]
name = here.parent.name if here.stem == "__main__" else here.stem


def option(flag: str) -> str:
    return arguments[arguments.index(flag) + 1]


with open("ran.txt", "a") as record:
    record.write(f"{name} OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS')} {' '.join(arguments)}\n")

if name == "fetch":
    kind = "weights" if "--weight" in arguments else "raw"
    out = Path("data", kind, next(a for a in reversed(arguments) if not a.startswith("--")), "fetched.json")
    written = {out: "{}"}
elif name == "shards":
    out = Path(option("--out"))
    part = out / "shards" / option("--of") / option("--shard") / "part.json" if "make" in arguments else None
    tables = ("manifest.tsv", "cross.tsv", "refused.tsv", "shards.json")
    written = {part: "{}"} if part else {out / file: "clip\n" for file in tables}
else:
    out = Path(option("--out"))
    written = {
        "clips": {out / file: "clip\n" for file in CLIP_TABLES},
        "objects": {out / file: "clip\n" for file in CLIP_TABLES},
        "train": {out / "model/pipeline.json": "{}", out / "curve.tsv": "step\n"},
        "training": {out / "model/config.json": "{}", out / "curve.tsv": "step\n"},
        "generate": {out / "run.json": "{}"},
        "evaluate": {out: f"clip\tpsnr\na\t{LIMIT}\n", out.with_suffix(".json"): "{}"},
        "report": {out: f"{arguments[0]} {LIMIT}\n"},
        "page": {out: f"page {LIMIT}\n", out.with_name("page") / "data.js": f"{LIMIT}\n"},
    }[name]
    if arguments[0] == "table":
        written |= {out.with_suffix(suffix): "" for suffix in (".csv", ".tex")}
    if arguments[0] == "page":
        tables = Path(option("--results"), "tables")
        written |= {tables / "summary.json": json.dumps({"limit": LIMIT}), tables / "speed.tsv": "fps\n"}
        written[out.parent / "speed.md"] = "fps\n"

for path, text in written.items():
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
