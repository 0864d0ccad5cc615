"""measure.py MEGABYTES SECONDS PROGRAM ARGUMENTS...: runs the program; exits with its code, or 99 when its memory went beyond
MEGABYTES (0: any). SECONDS of processor time end it: a guard against work that grows with the square, many times what it takes."""

import os
import resource
import sys


def main():
    most, seconds = float(sys.argv[1]), int(sys.argv[2])
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        os.execv(sys.argv[3], sys.argv[3:])
    _, status, usage = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    megabytes = usage.ru_maxrss / 1000
    if most and megabytes > most:
        print(f"expected at most {most} MB, found {megabytes:.0f} (exit {code})", file=sys.stderr)
        return 99
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
