"""kill -9 on a real training run: every resumed step repeats the losses of an uninterrupted run to the last bit.

train_kill.py HINDSCAN --kills N --inside M: at least M of the N kills hit the moment a checkpoint is being written or an
old one deleted (its temporary directory is there after the kill).
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STEPS = 240
LETTERS = "abcdefghijklmnopqrstuvwxyz .,"
CONFIG = {"model_type": "mamba", "hidden_size": 48, "num_hidden_layers": 2, "vocab_size": 32, "state_size": 8,
          "conv_kernel": 4, "expand": 2, "use_bias": False, "use_conv_bias": True, "tie_word_embeddings": True}


def write_inputs(folder):
    rng = random.Random(1)
    documents = ["".join(rng.choice(LETTERS) for _ in range(rng.randrange(50, 400))) for _ in range(60)]
    (folder / "text.txt").write_text("<|endoftext|>\n".join(documents))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    vocab = {("\u0120" if c == " " else c): i for i, c in enumerate(LETTERS)}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    added = {"id": len(LETTERS), "content": "<|endoftext|>", "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
    tokenizer = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [added], "normalizer": None,
                 "pre_tokenizer": level, "post_processor": None, "decoder": level,
                 "model": {"type": "BPE", "vocab": vocab, "merges": []}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


def log_lines(run):
    """Parsed lines; the last one may be torn by a kill. Numbers stay text, so that equal means equal to the last bit."""
    out = []
    for line in (run / "log.jsonl").read_text().splitlines():
        try:
            out.append(json.loads(line, parse_float=str))
        except json.JSONDecodeError:
            pass
    return out


def leftovers(run):
    return [n for n in os.listdir(run) if ".tmp-" in n or n.startswith(".trash-")]


class Run:
    def __init__(self, program, folder, name):
        self.program, self.path = program, folder / name
        self.fresh = ["--config", folder / "config.json", "--tokenizer", folder / "tokenizer.json", "--data",
                      folder / "text.txt", "--out", self.path, "--steps", STEPS, "--sequences", 2, "--accumulation", 2,
                      "--length", 16, "--warmup", 10, "--checkpoint-steps", 2, "--checkpoint-seconds", 0, "--keep", 2,
                      "--forget", "0.1"]

    def start(self):
        known = self.path.exists() and any(n.startswith("ckpt-") and "tmp" not in n for n in os.listdir(self.path))
        arguments = ["--resume", self.path] if known else self.fresh
        environment = dict(os.environ, OMP_NUM_THREADS="1")
        return subprocess.Popen([self.program, "train", *map(str, arguments)], env=environment, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE)

    def latest(self):
        try:
            return int((self.path / "latest").read_text()[5:])
        except FileNotFoundError:
            return -1


def wait_until(condition, process, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            return False
    return True


def kill_once(run, aimed, rng):
    """Returns (killed, inside the save window)."""
    process = run.start()
    begin = run.latest() + 2 * rng.randrange(1, 4)
    wait_until(lambda: run.latest() >= begin, process)
    if aimed:
        wait_until(lambda: leftovers(run.path), process)
    else:
        time.sleep(rng.random() * 0.02)
    process.send_signal(signal.SIGKILL)
    _, error = process.communicate()
    if process.returncode != -signal.SIGKILL:
        if process.returncode != 0:
            sys.exit(f"the run failed by itself: {error.decode()}")
        return False, False
    return True, bool(leftovers(run.path))


def check(run, reference):
    """Steps seen so far agree; no resume began before the checkpoint that was durable when the kill came."""
    for entry in log_lines(run.path):
        if "loss" in entry and entry["loss"] != reference[entry["step"]]:
            sys.exit(f"step {entry['step']}: loss {entry['loss']}, expected {reference[entry['step']]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--inside", type=int, default=10)
    arguments = parser.parse_args()
    rng = random.Random(7)
    with tempfile.TemporaryDirectory(prefix="hindscan kill ") as name:
        folder = Path(name)
        write_inputs(folder)
        whole = Run(arguments.program, folder, "whole")
        process = whole.start()
        _, error = process.communicate()
        if process.returncode != 0:
            sys.exit(error.decode())
        reference = {e["step"]: e["loss"] for e in log_lines(whole.path) if "loss" in e}
        assert len(reference) == STEPS, len(reference)

        kills = inside = rounds = 0
        run = Run(arguments.program, folder, "run-0")
        while (kills < arguments.kills or inside < arguments.inside) and rounds < 20 * arguments.kills:
            rounds += 1
            durable = run.latest() if run.path.exists() else -1
            killed, hit = kill_once(run, rounds % 2 == 0, rng)
            kills, inside = kills + killed, inside + hit
            check(run, reference)
            resumes = [e["step"] for e in log_lines(run.path) if e.get("event") == "resume"]
            if resumes and resumes[-1] < durable:
                sys.exit(f"checkpoint {durable} was lost: resumed at {resumes[-1]}")
            if not killed:  # it finished: begin another one
                run = Run(arguments.program, folder, f"run-{rounds}")
        process = run.start()
        _, error = process.communicate()
        if process.returncode != 0:
            sys.exit(f"the last resume failed: {error.decode()}")
        check(run, reference)
        for file in ("model/model.safetensors", f"ckpt-{STEPS:07}/optim.safetensors", f"ckpt-{STEPS:07}/states.safetensors"):
            if (run.path / file).read_bytes() != (whole.path / file).read_bytes():
                sys.exit(f"{file} differs from the uninterrupted run")
        if leftovers(run.path):
            sys.exit(f"left behind: {leftovers(run.path)}")
        print(f"{kills} kills, {inside} inside the save window: every loss equal to the last bit, no checkpoint lost")
        if kills < arguments.kills or inside < arguments.inside:
            sys.exit("too few kills hit their mark")


main()
