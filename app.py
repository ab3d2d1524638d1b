"""The page, for this machine and for a Hugging Face Space: `python app.py --help`."""

import signal
import sys

from nopo.demo.serve import serve

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever is told to end tidies up, as after Ctrl-C
    sys.exit(serve())
