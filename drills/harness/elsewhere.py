"""`python -m drills.harness.elsewhere FOLDER WORD…`: become `python -m WORD…` in another folder, with what is there.

The nursery forks it like every program, so it has their session, log and end.
"""

import os
import sys
from typing import NoReturn

SOCKET = "fd://"


def main() -> NoReturn:
    folder, *words = sys.argv[1:]
    os.chdir(folder)
    # Sockets that it listens on, which we have from our parents.
    for word in words:
        if word.startswith(SOCKET):
            os.set_inheritable(int(word.removeprefix(SOCKET)), True)
    os.execv(sys.executable, [sys.executable, "-m", *words])


if __name__ == "__main__":
    main()
