#!/usr/bin/env python
"""Django's command line. `./run manage …` calls it with the environment set up."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "emailsvc.settings")
    try:
        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        # Before a command has begun: it answers Ctrl-C by itself.
        sys.exit(130)
