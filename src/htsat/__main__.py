"""`python -m htsat` is the command `htsat`."""

from __future__ import annotations

from htsat.cli.main import main

raise SystemExit(main())
