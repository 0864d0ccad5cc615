"""Prints what ctest found, from its JUnit file: what failed and why, what was skipped, one closing line. Exit 1 on a failure."""

import sys
import xml.etree.ElementTree as ElementTree

SHOWN_LINES = 40


def reason(case):
    """Why a test skipped itself: its own 'skipped: ...' line, or GoogleTest's message."""
    for line in (case.findtext("system-out") or "").splitlines():
        if line.startswith("skipped:") or ": Skipped" in line:
            return line.split("skipped:")[-1].strip()
    return "skipped by itself"


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
    for case in skipped:
        print(f"  {case.get('name').split('  #')[0]}: {reason(case)}")
    slow = sorted(cases, key=lambda c: -float(c.get("time", 0)))[:3]
    print("slowest  " + ", ".join(f"{c.get('name').split('  #')[0]} {float(c.get('time')):.0f} s" for c in slow))
    print(f"{len(cases) - len(failed) - len(skipped)} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed or not cases else 0


sys.exit(main(sys.argv[1]))
