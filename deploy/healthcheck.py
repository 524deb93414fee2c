"""Whether the service in this container is ready: exit status 0 or 1, and its answer as the reason.

`HEALTHCHECK_URL` says where it is asked; without it, where the console listens by default.
"""

import os
import sys
import urllib.error
import urllib.request

URL = os.environ.get("HEALTHCHECK_URL") or "http://127.0.0.1:8080/readyz"


def main() -> int:
    try:
        with urllib.request.urlopen(URL, timeout=4.0) as answer:  # noqa: S310 - the operator's own address
            return 0 if answer.status == 200 else 1
    except urllib.error.HTTPError as error:
        sys.stdout.write(error.read().decode(errors="replace"))
    except OSError as error:
        sys.stdout.write(str(error))
    return 1


if __name__ == "__main__":
    sys.exit(main())
