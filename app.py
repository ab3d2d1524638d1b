"""The page, for this machine and for a Hugging Face Space: `python app.py --help`."""

import sys

from nopo.demo.serve import serve

if __name__ == "__main__":
    sys.exit(serve())
