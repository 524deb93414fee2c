"""How much a registry import may hold, for all who pass its body on."""

import re
from typing import Final

from fettle_contracts.identity import ORG_PATTERN

IMPORT_PATH: Final = re.compile(rf"/api/v1/orgs/{ORG_PATTERN}/subjects/import")
IMPORT_MAX_BYTES: Final = 64 * 2**20
IMPORT_MAX_LINES: Final = 200_000
