"""Show one case of the fuzz, byte for byte:  python -m tests.stress.fuzz SEED NUMBER"""

from __future__ import annotations

import sys

from tests.stress.fuzz.cases import make_case
from tests.stress.fuzz.recorded import recordings

if __name__ == "__main__":
    case = make_case(sys.argv[1], int(sys.argv[2]), recordings())
    print(f"{case.name}, then {case.ending}")
    for piece in case.pieces:
        print(piece)
