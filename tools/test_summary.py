"""Prints what ctest found, from its JUnit file: what failed and why, what was skipped, one closing line. Exit 1 on a failure."""

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter

SHOWN_LINES = 40


def reason(case):
    """Why a test skipped itself: its own 'skipped: ...' line, or the line after GoogleTest's 'file:line: Skipped'."""
    lines = (case.findtext("system-out") or "").splitlines()
    for line, following in zip(lines, lines[1:] + [""]):
        if line.startswith("skipped:"):
            return line.removeprefix("skipped:").strip()
        if line.endswith(": Skipped"):
            return following.strip() or "no reason given"
    return "no reason given"


def main(path):
    cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    failed = [c for c in cases if c.get("status") == "fail"]
    skipped = [c for c in cases if c.get("status") in ("notrun", "disabled")]
    for case in failed:
        lines = (case.findtext("system-out") or "").strip().splitlines()
        print(f"\nFAILED  {case.get('name')}")
        print("\n".join("  " + line for line in lines[-SHOWN_LINES:]))
    if skipped:
        print("skipped")
    for why, count in Counter(reason(case) for case in skipped).most_common():
        print(f"  {count:4}  {why}")
    slow = sorted(cases, key=lambda c: -float(c.get("time", 0)))[:3]
    if slow:
        print("slowest  " + ", ".join(f"{c.get('name').split('  #')[0]} {float(c.get('time')):.0f} s" for c in slow))
    print(f"{len(cases) - len(failed) - len(skipped)} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed or not cases else 0


sys.exit(main(sys.argv[1]))
